import { afterEach, beforeEach, expect, it } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { sharedPostgres } from "../../src/db/fixture/postgres-server.ts";
import { agentA, code, done } from "../../src/engine/engine-fixture.testsuite.ts";
import type { Execute } from "../../src/engine/engine.ts";
import { freePort } from "../../src/engine/restate/fixture/restate-server.ts";
import { type Balancer, createBalancer } from "./fixture/balancer.ts";
import { eventually } from "./fixture/eventually.ts";
import { type EngineWorker, openEngineWorker } from "./fixture/engine-worker.ts";

const agent = { ...agentA, concurrency: 4 };
/** Over it, an ask for slots got lost: what Restate does takes milliseconds. */
const resumeMsMax = 8_000;

let teams = 0;
let url: string;
let lane: Balancer;
let ports: readonly [number, number];
let workers: readonly [EngineWorker, EngineWorker];
/** Steps that began: whose, which and where. */
let begun: { readonly worker: EngineWorker; readonly taskId: string; readonly step: string }[];
/** Workers whose first steps come to an end. */
let released: Set<EngineWorker>;

/** Two workers behind a balancer. Neither ever sweeps: what nobody asks for is done by nobody. */
beforeEach(async () => {
  [url, begun, released] = [await (await sharedPostgres()).createDatabase(), [], new Set()];
  ports = [await freePort(), await freePort()];
  lane = await createBalancer({ targets: ports, health: "speaks" });
  const team = `drain${process.pid}x${++teams}`;
  const open = (port: number): Promise<EngineWorker> => openEngineWorker({ team, url, port, lane, recallMsMax: 2_000, sweepMs: null });
  workers = [await open(ports[0]), await open(ports[1])];
  for (const worker of workers) await worker.engine.run([agent], executeBy(worker));
});
afterEach(async () => {
  for (const worker of workers) await worker.close();
  await lane.close();
});

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

async function startAll(ids: readonly string[]): Promise<void> {
  for (const id of ids) await workers[0].engine.start({ id, agent: "a", input: null, key: null, priority: 0, notBeforeAtMs: 0, deadlineAtMs: systemClock.now() + 3_600_000, depth: 0, source: "test" });
}

it("what a worker gives back when it drains, and what waits for its slots, goes on at another one without a sweep", async () => {
  const ids = ["t_1", "t_2", "t_3", "t_4", "t_5", "t_6"];
  await startAll(ids);
  await eventually("the slots are full", () => begun.length === agent.concurrency);
  const [one, two] = workers;
  const [draining, other] = begunBy(one, "first").length > begunBy(two, "first").length ? [one, two] : [two, one];
  const held = begunBy(draining, "first");

  const drained = draining.engine.drain(60_000);
  released.add(draining);
  const { interrupted } = await drained;
  const drainedAtMs = systemClock.monotonicMs();
  await eventually("what was given back goes on", () => begunBy(other, "second").length === held.length);
  released.add(other);
  await eventually("all are done", async () => (await other.engine.list({ statuses: ["done"] })).length === ids.length);
  const tookMs = systemClock.monotonicMs() - drainedAtMs;

  expect(tookMs).toBeLessThan(resumeMsMax);
  expect(held.length).toBeGreaterThan(1);
  expect(interrupted).toBe(held.length);
  expect(begunBy(draining, "second")).toEqual([]);
  expect(begunBy(other, "second")).toEqual(ids);
  expect(begun).toHaveLength(ids.length * 2);
  expect((await other.engine.list({})).map(({ recoveries }) => recoveries)).toEqual(ids.map(() => 0));
  expect([...draining.faults, ...other.faults]).toEqual([]);
}, 60_000);
