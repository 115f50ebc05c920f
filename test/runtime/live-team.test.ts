import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { defineAgent, defineTeam, defineTool, every } from "longhaul";
import { scriptedModel } from "longhaul/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { seededRandom } from "../../src/base/random.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import type { LogRecord } from "../../src/record/log-record.ts";
import { openLiveTeam } from "../../src/runtime/live-team.ts";
import { openOfflineTeam } from "../../src/runtime/offline-team.ts";
import { openOperatorView } from "../../src/runtime/operator-view.ts";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

let directory: ReturnType<typeof temporaryDirectory>;
let teams: DiskTeam[];
beforeEach(() => {
  directory = temporaryDirectory();
  teams = [];
});
afterEach(async () => {
  for (const team of teams) await team.close();
  directory.remove();
});

async function open(definition = defineTeam({ name: "t", agents: [echo, patient] }), changes: object = {}): Promise<DiskTeam> {
  const team = await openDiskTeam(definition, { directory: join(directory.path, "data"), ...changes });
  teams.push(team);
  return team;
}

const echo = defineAgent({ name: "echo", run: async (_, input) => input });
const patient = defineAgent({ name: "patient", run: async (ctx) => ctx.waitFor("go"), triggers: [every("1d")] });

describe("the data directory", () => {
  it("is made where there is none, and is its owner's alone even in a directory that others may read", async () => {
    mkdirSync(join(directory.path, "data"), { mode: 0o755 });
    await open();

    const files = ["longhaul.db", "longhaul.db-wal", "longhaul.db-shm"].map((name) => (statSync(join(directory.path, "data", name)).mode & 0o777).toString(8));
    expect(files).toEqual(["600", "600", "600"]);
  });

  it("is refused to a second team while the first is alive, with what to do, and the file stays as it is", async () => {
    const first = await open();
    const before = await first.records();

    await expect(open()).rejects.toMatchObject({ code: "ENGINE_OWNED", message: expect.stringMatching(new RegExp(`Process ${process.pid} owns .*longhaul\\.db: it is alive and was heard of .* ago\\. Stop it, or give this one another --data directory\\.`)) });
    await expect(openOfflineTeam({ dataDirectory: join(directory.path, "data"), clock: first.clock, random: seededRandom(2) })).rejects.toMatchObject({ code: "ENGINE_OWNED" });

    expect(await first.records()).toEqual(before);
    expect(await first.result(await first.submit("echo", 1))).toMatchObject({ status: "done" });
  });

  it("is taken over when its owner was not heard of for 15 s, and the owner is told and stops", async () => {
    let isFenced = false;
    const clock = new VirtualClock();
    const hung = await openLiveTeam({ team: defineTeam({ name: "t", agents: [echo] }), dataDirectory: join(directory.path, "data"), clock, random: seededRandom(1), environment: () => undefined, print: () => undefined, onFenced: () => void (isFenced = true) });
    await hung.start();

    const next = await open(defineTeam({ name: "t", agents: [echo] }), { startAtMs: clock.now() + 16_000, seed: 2 });
    await expect(hung.operations.submit({ agent: "echo", input: 1, source: "test" })).rejects.toMatchObject({ code: "ENGINE_FENCED" });

    expect(isFenced).toBe(true);
    expect(await next.result(await next.submit("echo", 2))).toMatchObject({ status: "done", output: 2 });
    await hung.close().catch(() => undefined);
  });
});

describe("a team that stops", () => {
  const log: string[] = [];
  const slow = defineTool({
    name: "slow", description: "Works on after its call was canceled", inputSchema: z.object({}), effect: "read",
    execute: (_, { signal }) => new Promise((resolve) => {
      signal.addEventListener("abort", () => log.push("told to stop"), { once: true });
      finish = () => {
        log.push("finished");
        resolve("ok");
      };
    }),
  });
  let finish = (): void => {};
  const worker = defineAgent({ name: "worker", model: "anthropic/test", instructions: "Work.", tools: [slow] });
  const model = () => scriptedModel(({ messages }) => (messages.at(-1)?.role === "tool" ? "done" : { toolCalls: [{ toolName: "slow", input: {} }] }));

  it("lets steps that are under way end within the drain, and keeps what they came to", async () => {
    log.length = 0;
    const team = await open(defineTeam({ name: "t", agents: [worker] }), { model: model() });
    const taskId = await team.submit("worker", null);
    await team.settle();

    const drained = team.live.drain(10_000);
    await team.settle();
    expect(log).toEqual([]);
    expect(team.live.isReady()).toBe(false);
    finish();
    await drained;
    await team.close();
    teams.length = 0;

    expect(log).toEqual(["finished"]);
    const again = await open(defineTeam({ name: "t", agents: [worker] }), { model: model(), startAtMs: team.clock.now() + 1 });
    expect(await again.result(taskId)).toMatchObject({ status: "done" });
    expect(log, "the call is not made again").toEqual(["finished"]);
    expect((await again.records({ eventTypes: ["start", "stop"] })).map(({ event_type }) => event_type)).toEqual(["start", "stop", "start"]);
  });

  it("closes without a drain too: steps are told to stop, and are made again", async () => {
    log.length = 0;
    const team = await open(defineTeam({ name: "t", agents: [worker] }), { model: model() });
    const taskId = await team.submit("worker", null);
    await team.settle();

    await team.live.close();
    teams.length = 0;

    expect(log).toEqual(["told to stop"]);
    const again = await open(defineTeam({ name: "t", agents: [worker] }), { model: model(), startAtMs: team.clock.now() + 1 });
    await again.settle();
    finish();
    expect(await again.result(taskId)).toMatchObject({ status: "done" });
  });
});

describe("a team that does not run", () => {
  it("takes tasks, signals and cancellations all the same, and works on them when it starts", async () => {
    const before = await open();
    const waitingId = await before.submit("patient", null);
    const canceledId = await before.submit("patient", null);
    await before.settle();
    const { runId } = await before.task(waitingId);
    await before.close();
    teams.length = 0;
    const dataDirectory = join(directory.path, "data");
    const clock = new VirtualClock(before.clock.now() + 1000);

    const offline = await openOfflineTeam({ dataDirectory, clock, random: seededRandom(7) });
    const { operations } = offline;
    const { taskId } = await operations.submit({ agent: "echo", input: { n: 1 }, key: "offline", source: "cli" });
    expect(await operations.signal(runId ?? "", "go", "now")).toBe(true);
    expect(await operations.cancel(canceledId, "not needed")).toBe(true);
    await expect(operations.submit({ agent: "nobody", input: null, source: "cli" })).rejects.toThrow(/The team has no agent or flow "nobody". It has: echo, patient/);
    await offline.close();

    const after = await open(undefined, { startAtMs: clock.now() + 1000, seed: 3 });
    expect(await after.result(taskId)).toMatchObject({ status: "done", output: { n: 1 } });
    expect(await after.result(waitingId)).toMatchObject({ status: "done", output: { timedOut: false, payload: "now" } });
    expect(await after.task(canceledId)).toMatchObject({ status: "canceled" });
  });

  it("is not made up where none ever ran", async () => {
    const options = { dataDirectory: join(directory.path, "nothing"), clock: new VirtualClock(), random: seededRandom(1) };

    await expect(openOfflineTeam(options)).rejects.toMatchObject({ code: "STORE_NOT_FOUND", message: expect.stringContaining("longhaul start team.ts") });
    expect(() => openOperatorView(options.dataDirectory)).toThrow(/longhaul start|--data/);
  });
});

describe("an operator's view", () => {
  it("reads tasks, steps, health and the manifest while the team writes, and holds nobody up", async () => {
    const team = await open();
    const view = openOperatorView(join(directory.path, "data"));
    const ids = await Promise.all(Array.from({ length: 50 }, (_, n) => team.submit("echo", n)));
    await team.settle();

    expect((await view.tasks({ statuses: ["done"], limit: 100 })).map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
    const [task] = await view.tasks({ agent: "echo", limit: 1 });
    expect(await view.taskOfRun(task?.runId ?? "")).toEqual(task);
    expect(await view.health(team.clock.now())).toEqual(await team.live.health());
    expect(await view.keeper()).toMatchObject({ pid: process.pid, alive: true });
    expect(await view.manifest()).toMatchObject({
      team: "t",
      workers: [
        { name: "echo", kind: "agent", concurrency: 1, queueMax: 10_000, deadlineMs: 7 * 86_400_000, progressWithinMs: 86_400_000, triggers: [] },
        { name: "patient", triggers: [{ triggerId: "patient/every:1d", intervalMs: 86_400_000 }] },
      ],
    });
    await view.close();
  });
});

describe("what listens to records", () => {
  it("gets each once, in order, and may fail without harm", async () => {
    const seen: LogRecord[] = [];
    const said: string[] = [];
    const team = await openLiveTeam({
      team: defineTeam({ name: "t", agents: [echo] }), dataDirectory: join(directory.path, "data"), clock: new VirtualClock(), random: seededRandom(1), environment: () => undefined, print: (line) => void said.push(line),
      onRecord: (record) => {
        seen.push(record);
        if (record.result === "running") throw new Error("the terminal is gone");
      },
    });
    await team.start();
    const { taskId } = await team.operations.submit({ agent: "echo", input: 1, source: "test" });
    await team.operations.result(taskId);
    await team.close();

    expect(seen.filter(({ task_id }) => task_id === taskId).map(({ result }) => result)).toEqual(["queued", "running", "done(unverified)"]);
    expect(said).toEqual(["A record could not be shown: the terminal is gone"]);
    const db = SqliteDatabase.openReadOnly(join(directory.path, "data", "longhaul.db"));
    expect(new Set(seen.map(({ id }) => id)).size).toBe(Number(db.get("SELECT count(*) AS n FROM lh_record")?.["n"]));
    db.close();
  });
});
