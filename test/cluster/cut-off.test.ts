import { once } from "node:events";
import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { until } from "../../src/base/fixture/until.ts";
import { startPostgres, type PostgresServer } from "../../src/db/fixture/postgres-server.ts";
import { agentA, done, value } from "../../src/engine/engine-fixture.testsuite.ts";
import type { Execute, StepExecution } from "../../src/engine/engine.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import { queryRestate, sharedRestate } from "../../src/engine/restate/fixture/restate-server.ts";
import { serviceNames } from "../../src/engine/restate/service-names.ts";
import { createBalancer } from "./fixture/balancer.ts";
import type { Cut } from "./fixture/cut-proxy.ts";
import { type EngineWorker, openEngineWorker } from "./fixture/engine-worker.ts";

const agent = { ...agentA, concurrency: 8 };
/** Work goes on within this after each fault. */
const resumeMsMax = 10_000;
const recallMsMax = 2_000;

let teams = 0;
let postgres: PostgresServer;
const closing: (() => Promise<void>)[] = [];
beforeEach(async () => {
  postgres = await startPostgres();
  closing.push(() => postgres.close());
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** A step that executes, and who executes it. */
interface Executing {
  readonly worker: EngineWorker;
  readonly runId: string;
}

interface Fixture {
  readonly team: string;
  readonly ports: readonly [number, number];
  readonly workers: readonly [EngineWorker, EngineWorker];
  readonly executing: readonly Executing[];
  /** From now on a step comes to its end. */
  release(): void;
  start(from: EngineWorker, id: string): Promise<void>;
}

/** Two workers behind a balancer. A run is a step that lasts until `release` and that PostgreSQL has to take, since others see what it writes. */
async function openTwo(): Promise<Fixture> {
  const url = await postgres.createDatabase();
  const [one, other] = [await freePort(), await freePort()];
  const lane = await createBalancer({ targets: [one, other], health: "speaks" });
  closing.push(() => lane.close());
  const team = `cutoff${process.pid}x${++teams}`;
  const workers = [await openEngineWorker({ team, url, port: one, lane, recallMsMax }), await openEngineWorker({ team, url, port: other, lane, recallMsMax })] as const;
  const executing: Executing[] = [];
  let isReleased = false;
  const executeBy = (worker: EngineWorker): Execute => async (ctx) =>
    done(await ctx.step({ kind: "code", name: "work" }, async ({ idempotencyKey, signal }: StepExecution) => {
      executing.push({ worker, runId: ctx.runId });
      while (!isReleased) await sleep(systemClock, 10, signal);
      return value("worked", [{ type: "key.claim", key: idempotencyKey, taskId: ctx.task.id, atMs: 0, expiresAtMs: Number.MAX_SAFE_INTEGER }]);
    }));
  for (const worker of workers) {
    closing.push(() => worker.close());
    await worker.engine.run([agent], executeBy(worker));
  }
  return {
    team, workers, executing,
    ports: [one, other],
    release: () => void (isReleased = true),
    async start(from, id) {
      await from.engine.start({ id, agent: "a", input: null, key: null, priority: 0, notBeforeAtMs: 0, deadlineAtMs: systemClock.now() + 3_600_000, depth: 0, source: "test" });
    },
  };
}

/** Calls by which workers offer what they execute, and that are not over. */
async function offersLeft(team: string): Promise<number> {
  const query = `SELECT id FROM sys_invocation WHERE target_service_name = '${serviceNames(team).outage}' AND status <> 'completed'`;
  return (await queryRestate((await sharedRestate()).admin, query)).length;
}

/** Nobody listens there. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listening = once(server.listen(port, "127.0.0.1"), "listening").then(() => true, () => false);
  if (!(await listening)) return false;
  server.close();
  await once(server, "close");
  return true;
}

async function untilDone({ engine }: EngineWorker, ids: readonly string[]): Promise<void> {
  await until("all tasks are done", async () => (await engine.list({ statuses: ["done"] })).filter(({ id }) => ids.includes(id)).length === ids.length);
}

describe.each<Cut>(["reset", "silent"])("a worker whose way to PostgreSQL is cut (%s)", (how) => {
  it("lets its runs and what is new go on elsewhere, and no crash is counted", async () => {
    const fixture = await openTwo();
    const { workers, executing } = fixture;
    const before = ["t_1", "t_2", "t_3"];
    for (const id of before) await fixture.start(workers[0], id);
    await until("three runs execute", () => executing.length === before.length);
    const cutOff = executing[0]?.worker ?? workers[0];
    const other = cutOff === workers[0] ? workers[1] : workers[0];

    const cutAtMs = systemClock.monotonicMs();
    cutOff.way.cut(how);
    const after = ["t_4", "t_5", "t_6"];
    for (const id of after) await fixture.start(other, id);
    const moved = new Set(executing.filter(({ worker }) => worker === cutOff).map(({ runId }) => runId));
    await until("what executed there executes elsewhere", () => [...moved].every((runId) => executing.some((one) => one.worker === other && one.runId === runId)));
    fixture.release();
    await untilDone(other, [...before, ...after]);
    const tookMs = systemClock.monotonicMs() - cutAtMs;
    cutOff.way.heal();

    expect(moved.size).toBeGreaterThan(0);
    expect(tookMs).toBeLessThan(resumeMsMax);
    expect((await other.engine.list({ statuses: ["done"] })).map(({ recoveries }) => recoveries)).toEqual([0, 0, 0, 0, 0, 0]);
    expect([...cutOff.faults, ...other.faults]).toEqual([]);
  }, 90_000);
});

describe("a worker whose port somebody took while its way to PostgreSQL was cut", () => {
  it("tells people once, and takes calls again when the port is free", async () => {
    const { workers: [worker], ports: [port] } = await openTwo();
    worker.way.cut("reset");
    void worker.engine.get("t_1").catch(() => null); // It takes long: whether PostgreSQL is there is looked at.
    await until("it has shut its port", () => isFree(port));
    const taker = createServer().listen(port, "127.0.0.1");
    await once(taker, "listening");

    worker.way.heal();
    await until("people are told", () => worker.faults.length > 0);
    await sleep(systemClock, 2_000);

    expect(worker.faults).toMatchObject([{ code: "OPTION_INVALID", message: expect.stringContaining(String(port)) as string }]);
    taker.close();
    await until("it listens again", async () => !(await isFree(port)));
  }, 90_000);
});

describe("PostgreSQL away from all workers", () => {
  it("loses no run; all goes on when it is back, and no crash is counted", async () => {
    const fixture = await openTwo();
    const { workers, executing } = fixture;
    const ids = ["t_1", "t_2", "t_3", "t_4", "t_5", "t_6"];
    for (const id of ids) await fixture.start(workers[0], id);
    await until("all execute", () => executing.length === ids.length);

    await postgres.stop("kill");
    fixture.release();
    // Far below the 10 s from which an attempt that is cut counts a crash.
    await sleep(systemClock, 6_000);
    await postgres.start();
    const backAtMs = systemClock.monotonicMs();
    await fixture.start(workers[0], "t_7");
    await untilDone(workers[0], [...ids, "t_7"]);

    expect(systemClock.monotonicMs() - backAtMs).toBeLessThan(resumeMsMax);
    expect((await workers[0].engine.list({ statuses: ["done"] })).map(({ recoveries }) => recoveries)).toEqual([0, 0, 0, 0, 0, 0, 0]);
    // A worker that reaches PostgreSQL again before another one does may take what that one offers: then it goes on there.
    expect(new Set(executing.map(({ runId }) => runId)).size).toBe(ids.length + 1);
    expect(workers.flatMap(({ faults }) => faults)).toEqual([]);
  }, 90_000);

  it("leaves no attempt that goes on marked as given back, when an offer that was made meanwhile is taken late", async () => {
    const fixture = await openTwo();
    const { workers, executing } = fixture;
    const ids = Array.from({ length: 8 }, (_, index) => `t_${index}`);
    for (const id of ids) await fixture.start(workers[0], id);
    await until("all execute", () => executing.length === ids.length);

    await postgres.stop("kill");
    await sleep(systemClock, 8_000);
    await postgres.start();

    await until("no offer is left", async () => (await offersLeft(fixture.team)) === 0);
    const marked = async (): Promise<number> => Number((await workers[0].db.get("SELECT count(*) AS n FROM lh_task WHERE suspended"))?.["n"]);
    await until("no attempt is marked", async () => (await marked()) === 0);
    await sleep(systemClock, 2_000);
    expect(await marked()).toBe(0);
    fixture.release();
    await untilDone(workers[0], ids);
    // A worker that reaches PostgreSQL again before another one does may take what that one offers: then it goes on there, and that is no crash either.
    expect(new Set(executing.map(({ runId }) => runId)).size).toBe(ids.length);
    expect((await workers[0].engine.list({ statuses: ["done"] })).map(({ recoveries }) => recoveries)).toEqual(ids.map(() => 0));
  }, 90_000);
});
