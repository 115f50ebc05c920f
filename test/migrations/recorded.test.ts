import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { TaskEnd } from "../../src/record/task.ts";
import { dataMigrations } from "../../src/runtime/open-data.ts";
import { openOperatorView } from "../../src/runtime/operator-view.ts";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";
import { openReceiver, type Receiver } from "../fixture/receiver.ts";
import { answerMicroUsd, boundMicroUsd, recordedModel, recordedTeam } from "./fixture/recorded-team.ts";
import { digestsOf, type Recording, readRecordings } from "./fixture/recording.ts";
import { loadSql } from "./fixture/sql-dump.ts";

const hour = 3_600_000;
/** The task that another one called has no key. */
const childKey = "child of parent";
const recordings = readRecordings();
const packageVersion = (JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { readonly version: string }).version;

let folder: ReturnType<typeof temporaryDirectory>;
let receiver: Receiver;
let team: DiskTeam | null;
beforeEach(async () => {
  folder = temporaryDirectory();
  receiver = await openReceiver(() => 200);
  team = null;
});
afterEach(async () => {
  await team?.close();
  await receiver.close();
  folder.remove();
});

/** The team that goes on with what a version recorded, a minute later, with today's code. */
async function resume({ sql, atMs }: Recording): Promise<DiskTeam> {
  const directory = join(folder.path, "team");
  mkdirSync(directory);
  loadSql(join(directory, "longhaul.db"), sql);
  team = await openDiskTeam(recordedTeam({ codeVersion: 1, isHeld: false, hookUrl: receiver.url }), { directory, model: recordedModel(false), startAtMs: atMs + 60_000, seed: 7 });
  return team;
}

/** Each task by its key. */
async function tasksOf(disk: DiskTeam) {
  const tasks = new Map((await disk.live.tasks.list({ limit: 1_000 })).map((task) => [task.key ?? childKey, task]));
  return (key: string) => {
    const task = tasks.get(key);
    if (task === undefined) throw new Error(`the recording has no task ${key}`);
    return task;
  };
}

function done(output: unknown): Partial<TaskEnd> {
  return { status: "done", output } as Partial<TaskEnd>;
}

it("has a recording of this version", () => {
  expect(recordings.map(({ version }) => version)).toContain(packageVersion);
});

describe.each(recordings)("the data file of version $version", (recording) => {
  it("was made by migrations whose text is still what it was", () => {
    const { version, migrations } = recording;
    const remedy = version === packageVersion ? "Until it is released, record it anew: npm run record." : "Never edit a released migration: undo that, and write another one.";

    expect(Object.entries(digestsOf(dataMigrations)).filter(([name]) => name in migrations), `${version}: ${remedy}`).toEqual(Object.entries(migrations));
  });

  it("is resumed: what executed goes on, what waits is answered, what ended stays as it was", async () => {
    const disk = await resume(recording);
    const before = await tasksOf(disk);
    const end = async (key: string) => await disk.result(before(key).id);
    const answer = async (key: string) => expect(await disk.live.operations.signal(before(key).runId ?? "", "answer", key), `task ${key}`).toBe(true);

    expect(before("done").end).toMatchObject(done({ sum: 3 }));
    expect(before("dead").end).toMatchObject({ status: "dead", reason: "failed", failure: { name: "RangeError", message: "out of range" } });
    expect(before("canceled").end).toEqual({ status: "canceled", reason: "not wanted any more" });
    expect(await end("running")).toMatchObject(done("worked"));
    expect(await end("transaction")).toMatchObject(done([1]));
    expect(await end("early-signal")).toMatchObject(done({ payload: "early" }));
    expect([await end("slot"), await end("queued")]).toMatchObject([done("done"), done("done")]);
    expect(await end("parked"), "with the code that it began with").toMatchObject(done("second"));
    expect([await end("stranger"), await end("queued-stranger")]).toMatchObject([done("done"), done("done")]);

    expect([before("timer").status, before("signal").status, before("child").status]).toEqual(["waiting", "waiting", "waiting"]);
    for (const key of ["signal", "child"]) await answer(key === "child" ? childKey : key);
    expect(await end("signal")).toMatchObject(done({ payload: "signal" }));
    expect([await end("child"), await end(childKey)]).toMatchObject([done("unverified"), done({ payload: childKey })]);
    await disk.advance(hour);
    expect(await end("timer")).toMatchObject(done("slept"));
  });

  it("keeps its keys, its counts of crashes, its journals and its records", async () => {
    const disk = await resume(recording);
    const task = await tasksOf(disk);
    await disk.result(task("running").id);

    expect(await disk.submit("worker", { kind: "done" }, "done")).toBe(task("done").id);
    expect((await disk.task(task("running").id)).recoveries).toBe(1);
    expect((await disk.task(task("signal").id)).recoveries).toBe(0);
    const steps = await disk.live.tasks.steps(task("running").runId ?? "");
    expect(steps.map(({ name, attempt }) => `${name} ${attempt}`)).toEqual(["before 1", "work 2"]);
    expect((await disk.records({ taskId: task("done").id })).map(({ result }) => result)).toEqual(expect.arrayContaining(["queued", "done(unverified)"]));
  });

  it("settles its money, its effects and its messages", async () => {
    const disk = await resume(recording);
    const task = await tasksOf(disk);
    expect(await disk.result(task("reservation").id)).toMatchObject(done("written"));
    expect(await disk.result(task("budget").id), "the budget was raised").toMatchObject(done("written"));

    for (const key of ["unknown-effect", "intent"]) {
      const { id, runId } = await disk.task(task(key).id);
      expect(await disk.task(id), `task ${key}`).toMatchObject({ status: "waiting", waitingReason: "unknown-effect" });
      expect(await disk.live.operations.approve(runId ?? "", "happened", "sent by hand"), `task ${key}`).toBe(1);
      expect(await disk.result(id), `task ${key}`).toMatchObject(done("mailed"));
    }
    for (let step = 0; receiver.posts.length === 0 && step < 100; step++) await receiver.pass(disk, hour / 60);
    expect(receiver.posts[0]?.body).toContain("gone");
    const view = openOperatorView(join(folder.path, "team"));
    const spent = await view.store.money.spent({ taskId: task("reservation").id });
    await view.close();
    expect(spent).toMatchObject({ spentMicroUsd: boundMicroUsd + answerMicroUsd, reservedMicroUsd: 0 });
  });

  it("lets a canceled and a dead task be begun again", async () => {
    const disk = await resume(recording);
    const task = await tasksOf(disk);

    await disk.live.operations.restart(task("canceled").id);
    await disk.live.operations.restart(task("dead").id);
    await disk.settle();
    await disk.live.operations.signal((await disk.task(task("canceled").id)).runId ?? "", "answer", "now");

    expect(await disk.result(task("canceled").id)).toMatchObject(done({ payload: "now" }));
    expect(await disk.result(task("dead").id)).toMatchObject({ status: "dead", reason: "failed" });
  });
});
