import { afterAll, describe, expect, it } from "vitest";
import { canonicalJson, type Json } from "../../base/json.ts";
import { integerBetween, seededRandom } from "../../base/random.ts";
import { macrotask } from "../../base/turn.ts";
import { isEnded } from "../../record/task.ts";
import type { Execute } from "../engine.ts";
import { agentA, done, newTask, type EngineFixture } from "../engine-fixture.testsuite.ts";
import { type Program, randomProgram, runProgram } from "./random-program.testsuite.ts";
import { sqliteSuite } from "./sqlite-fixture.testsuite.ts";

const suite = sqliteSuite({ recoveriesMax: 1_000, recoveriesWithoutProgressMax: 1_000 });

/** Turns that let everything happen that can happen at one instant. */
const turnsPerInstant = 250;

/** Runs the program to its end. `crashes` says after how many turns of an instant the engine is abandoned, null for never. */
async function story(program: Program, crashes: () => number | null): Promise<{ readonly text: string; readonly crashCount: number }> {
  let fixture: EngineFixture = await suite.create();
  let crashCount = 0;
  const begin = async (): Promise<void> => {
    const current = fixture;
    const execute: Execute = async (ctx) => done(await runProgram(ctx, current, ctx.task.input as unknown as Program));
    await current.engine.run([agentA], execute);
  };
  const settle = async (): Promise<void> => {
    for (let crashAfter = crashes(); crashAfter !== null; crashAfter = crashes()) {
      for (let turn = 0; turn < crashAfter; turn++) await macrotask();
      crashCount++;
      fixture = await suite.crash(fixture);
      await begin();
    }
    for (let turn = 0; turn < turnsPerInstant; turn++) await macrotask();
  };
  await begin();
  const root = newTask(fixture, { id: `root`, input: program as unknown as Json, source: "root", deadlineAtMs: Number.MAX_SAFE_INTEGER });
  await fixture.engine.start(root);
  for (let instant = 0; instant < 500; instant++) {
    await settle();
    const task = await fixture.engine.get(root.id);
    if (task !== null && isEnded(task.status)) return { text: await tell(fixture), crashCount };
    await fixture.clock.advanceToNext(async () => undefined);
  }
  throw new Error("The program does not end.");
}

/** All that is left behind: every task by its place in the program, with its end and its journal. What a crash may change (ids, attempts, starts) is left out. */
async function tell(fixture: EngineFixture): Promise<string> {
  const tasks = await fixture.engine.list({ limit: 10_000 });
  const lines = tasks.map(async (task) => {
    const steps = task.runId === null ? [] : await fixture.engine.steps(task.runId);
    const journal = steps.map(({ seq, number, kind, name, occurrence, completedAtMs, outcome }) => `${seq} ${number} ${kind} ${name} ${occurrence} ${completedAtMs} ${canonicalJson(outcome as unknown as Json)}`);
    const end = task.end?.status === "done" ? canonicalJson(task.end.output) : String(task.end?.status);
    return `${task.source}: ${task.status} at ${task.endedAtMs} ${withoutIds(end)}\n  ${withoutIds(journal.join("\n  "))}`;
  });
  return (await Promise.all(lines)).toSorted().join("\n");
}

/** Chance is drawn from the run's id; a called task is told by its own. */
function withoutIds(text: string): string {
  return text.replaceAll(/0\.\d{6,}/g, "chance").replaceAll(/"taskId":"\w+"/g, '"taskId":""');
}

describe("random programs", () => {
  afterAll(() => suite.destroy());

  it.each(Array.from({ length: 24 }, (_, index) => index + 1))("E2 E3 E5 E8 program %i ends as it does uninterrupted, wherever the engine is killed", async (seed) => {
    const random = seededRandom(`program ${seed}`);
    const program: Program = { type: "sequence", parts: [randomProgram(random, 3, "p"), randomProgram(random, 3, "q"), randomProgram(random, 2, "r")] };
    const chance = random.split("crashes");

    const plain = await story(program, () => null);
    const crashed = await story(program, () => (chance.next() < 0.25 ? integerBetween(chance, 0, 60) : null));

    expect(crashed.text, `SEED=${seed} after ${crashed.crashCount} crashes`).toBe(plain.text);
  });
});
