import { afterAll, afterEach, describe, expect, it } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { until } from "../../src/base/fixture/until.ts";
import { sharedPostgres } from "../../src/db/fixture/postgres-server.ts";
import { agentA, code, createGate, done } from "../../src/engine/engine-fixture.testsuite.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import { queryRestate, startRestate } from "../../src/engine/restate/fixture/restate-server.ts";
import { type EngineWorker, openEngineWorker } from "./fixture/engine-worker.ts";

let teams = 0;
const server = startRestate();
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});
afterAll(async () => (await server).close());

/** Ends what Restate has of this team's runs, and has it forgotten, as it would be a minute later. Resolves when the worker, which asks after them meanwhile, has had them called again. */
async function killAll(team: string, isCalledAgain: () => boolean): Promise<void> {
  const { admin } = await server;
  const list = async (): Promise<readonly { readonly id: string; readonly status: string }[]> => {
    const query = `SELECT id, status FROM sys_invocation WHERE target_service_name = 'longhaul.${team}.run'`;
    return (await queryRestate(admin, query)).map(({ id, status }) => ({ id: String(id), status: String(status) }));
  };
  for (const { id } of await list()) await fetch(`${admin}/invocations/${id}/kill`, { method: "PATCH" });
  await until("they are gone, and called again", async () => {
    for (const { id, status } of await list()) if (status === "completed") await fetch(`${admin}/invocations/${id}/purge`, { method: "PATCH" });
    return isCalledAgain();
  });
}

/** A worker with one run that has completed a step and executes another one, for so long that it is asked after. */
async function openLong(): Promise<{ readonly worker: EngineWorker; readonly team: string; readonly executed: string[]; readonly gate: ReturnType<typeof createGate> }> {
  const [url, port, team] = [await (await sharedPostgres()).createDatabase(), await freePort(), `gone${process.pid}x${++teams}`];
  const worker = await openEngineWorker({ team, url, port, lane: { port }, recallMsMax: 50, sweepMs: 100, restate: await server });
  closing.push(() => worker.close());
  const executed: string[] = [];
  const gate = createGate();
  await worker.engine.run([agentA], async (ctx) => {
    const nap = ctx.wait({ name: "nap", reason: "timer", timeoutMs: 3_000 });
    for (const name of ["first", "second"]) {
      await code(ctx, name, async () => {
        executed.push(name);
        if (name === "second") await gate.opened;
        return name;
      });
    }
    await nap;
    return done("went on");
  });
  await worker.engine.start({ id: "t_1", agent: "a", input: null, key: null, priority: 0, notBeforeAtMs: 0, deadlineAtMs: systemClock.now() + 3_600_000, depth: 0, source: "test" });
  await until("the first step is stored", async () => executed.length === 2 && (await worker.db.all("SELECT 1 FROM lh_told")).length > 0);
  await worker.db.run("UPDATE lh_task SET status_since_ms = 0");
  return { worker, team, executed, gate };
}

describe("a run that executes for long", () => {
  it("whose call Restate has lost is called again and goes on behind what it had completed; no crash is counted, since its process lived", async () => {
    const { worker, team, executed, gate } = await openLong();

    await killAll(team, () => executed.length === 3);
    gate.open();

    expect(await worker.engine.result("t_1")).toMatchObject({ status: "done", output: "went on" });
    expect(executed).toEqual(["first", "second", "second"]);
    expect(await worker.engine.get("t_1")).toMatchObject({ recoveries: 0 });
    expect(worker.faults).toEqual([]);
  });

  it("is left alone while Restate has it", async () => {
    const { worker, executed, gate } = await openLong();

    await sleep(systemClock, 3_000);
    gate.open();

    expect(await worker.engine.result("t_1")).toMatchObject({ status: "done", output: "went on" });
    expect(executed).toEqual(["first", "second"]);
    expect(await worker.engine.get("t_1")).toMatchObject({ recoveries: 0 });
    expect(worker.faults).toEqual([]);
  });
});
