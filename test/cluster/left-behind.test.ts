import { afterEach, describe, expect, it } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { until } from "../../src/base/fixture/until.ts";
import { sharedPostgres } from "../../src/db/fixture/postgres-server.ts";
import { agentA, createGate, done, value } from "../../src/engine/engine-fixture.testsuite.ts";
import type { StepEnd, StepExecution } from "../../src/engine/engine.ts";
import { defaultEngineLimits } from "../../src/engine/limits.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import { cancelTask, restartTask } from "../../src/engine/restate/operator.ts";
import { tellWorkers } from "../../src/engine/restate/tell-others.ts";
import { Writer } from "../../src/engine/restate/writer.ts";
import { type EngineWorker, openEngineWorker } from "./fixture/engine-worker.ts";
import { createSwitch, type Switch } from "./fixture/switch.ts";

let teams = 0;
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const newTask = (id: string) => ({ id, agent: "a", input: null, key: null, priority: 0, notBeforeAtMs: 0, deadlineAtMs: systemClock.now() + 3_600_000, depth: 0, source: "test" });

async function open(): Promise<{ readonly worker: EngineWorker; readonly lane: Switch; readonly port: number }> {
  const url = await (await sharedPostgres()).createDatabase();
  const lane = await createSwitch();
  closing.push(() => lane.close());
  const port = await freePort();
  lane.leadTo(port);
  const worker = await openEngineWorker({ team: `behind${process.pid}x${++teams}`, url, port, lane, recallMsMax: 50, sweepMs: null });
  closing.push(() => worker.close());
  return { worker, lane, port };
}

describe("a run that is canceled and whose task is restarted before its worker hears of it", () => {
  it("is told to stop; the next run goes on", async () => {
    const { worker } = await open();
    const signals: AbortSignal[] = [];
    await worker.engine.run([agentA], async (ctx) => done(await ctx.step({ kind: "code", name: "work" }, async ({ signal }: StepExecution): Promise<StepEnd> => {
      if (signals.push(signal) > 1) return value("again");
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      return value("first");
    })));
    const { taskId } = await worker.engine.start(newTask("t_1"));
    await until("the step executes", () => signals.length === 1);

    const operator = new Writer({ db: worker.db, clock: systemClock, limits: defaultEngineLimits, apply: async () => undefined, observe: () => [], tell: tellWorkers, onCommitted: () => undefined, onFault: () => undefined });
    await operator.write(async (change) => {
      await cancelTask(change, { id: "c_1", taskId }, "anew");
      await restartTask(change, { id: "r_unused", taskId }, {});
    });

    expect(await worker.engine.result(taskId)).toMatchObject({ status: "done", output: "again" });
    await until("the step of the first run is told", () => signals[0]?.aborted === true);
    expect(signals[0]?.reason).toMatchObject({ code: "TASK_STATE" });
    expect(worker.faults).toEqual([]);
  });
});

describe("an attempt whose call Restate gives up while it begins", () => {
  it("executes nothing, and leaves nothing in memory", async () => {
    const { worker, lane, port } = await open();
    const never = createGate();
    let executed = 0;
    await worker.engine.run([agentA], async () => {
      executed++;
      await never.opened;
      return done(null);
    });
    const held = createGate();
    const locked = createGate();
    // What is read last of a run that begins.
    const holding = worker.db.transaction(async (tx) => {
      await tx.run("LOCK TABLE lh_seed IN ACCESS EXCLUSIVE MODE");
      locked.open();
      await held.opened;
    });
    await locked.opened;
    await worker.engine.start(newTask("t_1"));
    await until("it is about to begin", async () => (await worker.db.all("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")).length > 0);

    lane.leadTo(port);
    // Restate has called again by now.
    await sleep(systemClock, 500);
    held.open();
    await holding;
    await until("the next attempt executes", async () => executed > 0 && (await worker.db.get("SELECT attempt FROM lh_task"))?.["attempt"] === 2);
    await sleep(systemClock, 200);

    expect(executed).toBe(1);
  });
});
