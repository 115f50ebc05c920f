import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { journalFormat } from "../../src/engine/journaled-step.ts";
import { loopVersion } from "../../src/run/loop-version.ts";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";
import { readJournal, readRecorded, type RecordedJournal, recordedFolder, scenarios, writeJournal } from "./recorded-journal.ts";
import type { Scenario } from "./scenario.ts";

const names = readdirSync(join(import.meta.dirname, "..", "..", recordedFolder)).map((file) => file.replace(/\.json$/, ""));
const recorded = names.map((name) => ({ name, journal: readRecorded(name) }));
const isOfToday = ({ format, loopVersion: version }: RecordedJournal): boolean => format === journalFormat && version === loopVersion;

let directory: ReturnType<typeof temporaryDirectory>;
let opened: DiskTeam | null;
let executed: number;
beforeEach(() => {
  directory = temporaryDirectory();
  opened = null;
  executed = 0;
});
afterEach(async () => {
  await opened?.close();
  directory.remove();
});

/** Opens the team of a scenario on this journal, a minute after it was recorded. Whatever executes is counted and fails. */
async function replay(scenario: Scenario, journal: RecordedJournal): Promise<DiskTeam> {
  const act = (): void => {
    executed++;
    throw new Error("a body executed while its step is in the journal");
  };
  writeJournal(directory.path, journal);
  opened = await openDiskTeam(scenario.team(act), { directory: directory.path, startAtMs: journal.recordedAtMs + 60_000, ...(scenario.model === undefined ? {} : { model: scenario.model(act) }) });
  return opened;
}

describe("recorded journals", () => {
  it("are there for every scenario and for no other", () => {
    expect(names.toSorted()).toEqual(scenarios.map(({ name }) => name).toSorted());
  });

  it("are of the present versions. When you raise one: npx node --conditions=longhaul-source scripts/record-journals.ts", () => {
    expect(recorded.filter(({ journal }) => !isOfToday(journal)).map(({ name }) => name)).toEqual([]);
  });

  it.each(scenarios.map((scenario) => [scenario.name, scenario] as const))("%s comes to the end that it came to, or waits for what it waited for, and executes nothing", async (name, scenario) => {
    const journal = readRecorded(name);
    const team = await replay(scenario, journal);
    await team.settle();
    await team.advance(10_000);

    const after = readJournal(directory.path, journal.task.id, journal.about, journal.recordedAtMs);

    expect(after.outcome).toEqual(journal.outcome);
    expect(after.steps).toEqual(journal.steps);
    expect(after.waits).toEqual(journal.waits);
    expect(executed).toBe(0);
  });

  it.each(["model-loop", "children"])("%s does not replay when a step of it has another name", async (name) => {
    const journal = readRecorded(name);
    const [first, ...rest] = journal.steps;
    if (first === undefined) throw new Error("there is no step");
    const scenario = scenarios.find((each) => each.name === name);
    if (scenario === undefined) throw new Error("there is no scenario");

    const team = await replay(scenario, { ...journal, steps: [{ ...first, name: `${first.name}-renamed` }, ...rest] });
    await team.advance(10_000);

    expect(await team.task(journal.task.id)).toMatchObject({ status: "waiting", waitingReason: "code-mismatch" });
    expect(executed).toBe(0);
  });

  it("of another loop version are not replayed: the run waits, and says why", async () => {
    const [scenario] = scenarios;
    if (scenario === undefined) throw new Error("there is no scenario");
    const journal = readRecorded(scenario.name);

    const team = await replay(scenario, { ...journal, loopVersion: loopVersion + 1 });
    await team.settle();

    expect(await team.task(journal.task.id)).toMatchObject({ status: "waiting", waitingReason: "code-mismatch" });
    expect((await team.records({ taskId: journal.task.id, result: "waiting(code-mismatch)" }))[0]?.reason).toContain(`has loop version ${loopVersion + 1}; this version of longhaul goes on with loop version ${loopVersion}`);
    await expect(team.live.operations.skip(journal.task.id)).rejects.toMatchObject({ code: "TASK_STATE" });
    expect(executed).toBe(0);
  });
});
