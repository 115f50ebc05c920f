import { afterEach, beforeEach, expect, it } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { until } from "../../src/base/fixture/until.ts";
import { sharedPostgres } from "../../src/db/fixture/postgres-server.ts";
import { agentA, code, createGate, done } from "../../src/engine/engine-fixture.testsuite.ts";
import type { Execute } from "../../src/engine/engine.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import { sharedRestate } from "../../src/engine/restate/fixture/restate-server.ts";
import type { NewTask } from "../../src/record/task.ts";
import { type Balancer, createBalancer } from "./fixture/balancer.ts";
import { type EngineWorker, openEngineWorker } from "./fixture/engine-worker.ts";
import { createLateIngress } from "./fixture/late-ingress.ts";

const agent = { ...agentA, concurrency: 4 };
/** Over it, an ask for slots got lost: what Restate does takes milliseconds. */
const resumeMsMax = 8_000;

let teams = 0;
let url: string;
/** Steps that began: whose, which and where. */
let begun: { readonly worker: EngineWorker; readonly taskId: string; readonly step: string }[];
/** Workers whose first steps come to an end. */
let released: Set<EngineWorker>;

const closing: (() => Promise<void>)[] = [];
beforeEach(async () => {
  [url, begun, released] = [await (await sharedPostgres()).createDatabase(), [], new Set()];
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** Two workers behind a balancer. Neither ever sweeps: what nobody asks for is done by nobody. */
async function openTwo(): Promise<{ readonly workers: readonly [EngineWorker, EngineWorker]; readonly lane: Balancer }> {
  const ports = [await freePort(), await freePort()] as const;
  const lane = await createBalancer({ targets: ports, health: "speaks" });
  closing.push(() => lane.close());
  const open = (port: number): Promise<EngineWorker> => openEngineWorker({ team: `drain${process.pid}`, url, port, lane, recallMsMax: 2_000, sweepMs: null });
  const workers = [await open(ports[0]), await open(ports[1])] as const;
  closing.push(() => workers[0].close(), () => workers[1].close());
  for (const worker of workers) await worker.engine.run([agent], executeBy(worker));
  return { workers, lane };
}

/** A first step that lasts until this worker is released, and a second one. */
function executeBy(worker: EngineWorker): Execute {
  return async (ctx) => {
    const step = (name: string, work: () => Promise<null>): Promise<unknown> => code(ctx, name, async () => {
      begun.push({ worker, taskId: ctx.task.id, step: name });
      return await work();
    });
    await step("first", async () => {
      while (!released.has(worker)) await sleep(systemClock, 10);
      return null;
    });
    await step("second", async () => null);
    return done(null);
  };
}

/** The tasks of which a worker began this step. */
function begunBy(worker: EngineWorker, step: string): readonly string[] {
  return begun.filter((one) => one.worker === worker && one.step === step).map(({ taskId }) => taskId).toSorted();
}

function taskOf(id: string, name: string): NewTask {
  return { id, agent: name, input: null, key: null, priority: 0, notBeforeAtMs: 0, deadlineAtMs: systemClock.now() + 3_600_000, depth: 0, source: "test" };
}

it("what a worker gives back when it drains, and what waits for its slots, goes on at another one without a sweep", async () => {
  const ids = ["t_1", "t_2", "t_3", "t_4", "t_5", "t_6"];
  const { workers, lane } = await openTwo();
  const [one, two] = workers;
  for (const id of ids) await one.engine.start(taskOf(id, "a"));
  await until("the slots are full", () => begun.length === agent.concurrency);
  const [draining, other] = begunBy(one, "first").length > begunBy(two, "first").length ? [one, two] : [two, one];
  const held = begunBy(draining, "first");

  const drained = draining.engine.drain(60_000);
  await until("it takes no calls", () => lane.healthy.length === 1);
  released.add(draining);
  const { interrupted } = await drained;
  const drainedAtMs = systemClock.monotonicMs();
  await until("what was given back goes on", () => begunBy(other, "second").length === held.length);
  released.add(other);
  await until("all are done", async () => (await other.engine.list({ statuses: ["done"] })).length === ids.length);
  const tookMs = systemClock.monotonicMs() - drainedAtMs;

  expect(tookMs).toBeLessThan(resumeMsMax);
  expect(held.length).toBeGreaterThan(1);
  expect(interrupted).toBe(held.length);
  expect(begunBy(draining, "second")).toEqual([]);
  expect(begunBy(other, "second")).toEqual(ids);
  expect(begun).toHaveLength(ids.length * 2);
  expect((await other.engine.list({})).map(({ recoveries }) => recoveries)).toEqual(ids.map(() => 0));
  expect([...draining.faults, ...other.faults]).toEqual([]);
});

it.each([
  { what: "a wait that ended", act: async ({ engine }: EngineWorker): Promise<unknown> => await engine.signal(String((await engine.get("t_1"))?.runId), "word", "go", "1"), path: "/restate/awakeables/…/resolve" },
  { what: "a task that is ready", act: ({ engine }: EngineWorker): Promise<unknown> => engine.start(taskOf("t_2", "b")), path: "/slots/b/dispatch/send" },
])("a process that drains does not end before it has told Restate of $what", async ({ act, path }) => {
  const late = await createLateIngress((await sharedRestate()).ingress, 500);
  closing.push(() => late.close());
  const team = `part${process.pid}x${++teams}`;
  const open = async (ingress?: string): Promise<EngineWorker> => {
    const port = await freePort();
    const worker = await openEngineWorker({ team, url, port, lane: { port }, recallMsMax: 50, sweepMs: null, ...(ingress === undefined ? {} : { ingress }) });
    closing.push(() => worker.close());
    return worker;
  };
  const [worker, draining] = [await open(), await open(late.address)];
  const held = createGate();
  await worker.engine.run([agent], async (ctx) => {
    const both = [ctx.wait({ name: "word", reason: "human", signal: "word" }), code(ctx, "hold", async () => { await held.opened; return null; })];
    return done((await Promise.all(both)).length);
  });
  await worker.engine.start(taskOf("t_1", "a"));
  await until("it waits while it executes", async () => (await worker.db.all("SELECT 1 FROM lh_wait")).length === 1 && worker.engine.isStill());

  await act(draining);
  await draining.engine.drain(0);

  expect(late.accepted.map((accepted) => accepted.replace(/^.*\.slots/, "/slots").replace(/(?<=awakeables.)[^/]+/, "…"))).toContain(path);
  held.open();
});
