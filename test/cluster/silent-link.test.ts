import { afterEach, describe, expect, it } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { until } from "../../src/base/fixture/until.ts";
import { sharedPostgres } from "../../src/db/fixture/postgres-server.ts";
import { agentA, done, value } from "../../src/engine/engine-fixture.testsuite.ts";
import type { Execute, StepEnd, StepExecution } from "../../src/engine/engine.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import { startRestate } from "../../src/engine/restate/fixture/restate-server.ts";
import { createCutProxy } from "./fixture/cut-proxy.ts";
import { openEngineWorker } from "./fixture/engine-worker.ts";
import { createSwitch } from "./fixture/switch.ts";

/** A silence of 2 s and a look each 500 ms are noticed long before, on a machine that is busy too. */
const noticedMsMax = 15_000;

let teams = 0;
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const newTask = (id: string) => ({ id, agent: "a", input: null, key: null, priority: 0, notBeforeAtMs: 0, deadlineAtMs: systemClock.now() + 3_600_000, depth: 0, source: "test" });

/** A step that goes on until it is told to stop. */
function holding(begun: AbortSignal[]): Execute {
  return async (ctx) => done(await ctx.step({ kind: "code", name: "hold" }, async ({ signal }: StepExecution): Promise<StepEnd> => {
    begun.push(signal);
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    return value("held");
  }));
}

describe("a link to Restate that vanishes without a word", () => {
  it("is noticed by the worker: what executes is told to stop", async () => {
    const url = await (await sharedPostgres()).createDatabase();
    const port = await freePort();
    const lane = await createCutProxy(port);
    closing.push(() => lane.close());
    const worker = await openEngineWorker({ team: `silent${process.pid}x${++teams}`, url, port, lane, recallMsMax: 50, sweepMs: null, silentMsMax: 2_000 });
    closing.push(() => worker.close());
    const begun: AbortSignal[] = [];
    await worker.engine.run([agentA], holding(begun));
    await worker.engine.start(newTask("t_1"));
    await until("the step executes", () => begun.length === 1);
    // A link on which there is nothing to tell is kept; so is one to which a busy process has not listened.
    await sleep(systemClock, 3_000);
    for (const untilMs = systemClock.monotonicMs() + 5_000; systemClock.monotonicMs() < untilMs; );
    await sleep(systemClock, 1_000);
    expect(begun.map(({ aborted }) => aborted)).toEqual([false]);

    lane.cut("silent");
    const cutAtMs = systemClock.monotonicMs();
    await until("the step is told", () => begun[0]?.aborted === true);

    expect(systemClock.monotonicMs() - cutAtMs).toBeLessThan(noticedMsMax);
    expect(begun[0]?.reason).toMatchObject({ code: "ENGINE_UNREACHABLE" });
    expect(worker.faults).toEqual([]);
  });

  it("does not hide from the worker that another one goes on: it sees so in the tables", async () => {
    const restate = await startRestate({ RESTATE_WORKER__INVOKER__HTTP2_KEEP_ALIVE_INTERVAL: "500ms", RESTATE_WORKER__INVOKER__HTTP2_KEEP_ALIVE_TIMEOUT: "500ms" });
    closing.push(() => restate.close());
    const url = await (await sharedPostgres()).createDatabase();
    const lane = await createSwitch();
    closing.push(() => lane.close());
    const common = { team: `silent${process.pid}x${++teams}`, url, lane, recallMsMax: 50, sweepMs: 200, silentMsMax: 3_600_000, restate };
    const ports = [await freePort(), await freePort()] as const;
    const [first, second] = [await openEngineWorker({ ...common, port: ports[0] }), await openEngineWorker({ ...common, port: ports[1] })];
    closing.push(() => first.close(), () => second.close());
    const [begun, later]: [AbortSignal[], AbortSignal[]] = [[], []];
    lane.leadTo(ports[0]);
    await first.engine.run([agentA], holding(begun));
    await first.engine.start(newTask("t_1"));
    await until("the step executes", () => begun.length === 1);

    lane.leadTo(ports[1], "silent");
    await second.engine.run([agentA], holding(later));
    await until("the second worker executes it", () => later.length === 1);
    const takenAtMs = systemClock.monotonicMs();
    await until("the first one is told", () => begun[0]?.aborted === true);

    expect(systemClock.monotonicMs() - takenAtMs).toBeLessThan(noticedMsMax);
    expect(begun[0]?.reason).toMatchObject({ code: "ENGINE_UNREACHABLE" });
    expect(later[0]?.aborted).toBe(false);
    expect([...first.faults, ...second.faults]).toEqual([]);
  });
});
