import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { until } from "../../src/base/fixture/until.ts";
import { sharedPostgres } from "../../src/db/fixture/postgres-server.ts";
import { agentA, createGate, done } from "../../src/engine/engine-fixture.testsuite.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import { openEngineWorker } from "./fixture/engine-worker.ts";

let teams = 0;
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

describe.each([[0], [5_000]])("a worker that drains for %i ms while it begins a run", (drainMs) => {
  it("executes nothing of it, ends when it has given it back, and no crash is counted", async () => {
    const [url, port, team] = [await (await sharedPostgres()).createDatabase(), await freePort(), `beginning${process.pid}x${++teams}`];
    const open = () => openEngineWorker({ team, url, port, lane: { port }, recallMsMax: 50, sweepMs: 200 });
    const worker = await open();
    const executed: string[] = [];
    await worker.engine.run([agentA], async () => {
      executed.push("first worker");
      return done(null);
    });
    const [held, locked] = [createGate(), createGate()];
    const other = await open();
    closing.push(() => other.close());
    // What is read last of a run that begins.
    const holding = other.db.transaction(async (tx) => {
      await tx.run("LOCK TABLE lh_seed IN ACCESS EXCLUSIVE MODE");
      locked.open();
      await held.opened;
    });
    await locked.opened;
    await worker.engine.start({ id: "t_1", agent: "a", input: null, key: null, priority: 0, notBeforeAtMs: 0, deadlineAtMs: systemClock.now() + 3_600_000, depth: 0, source: "test" });
    await until("it is about to begin", async () => (await other.db.all("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")).length > 0);

    const drained = worker.engine.drain(drainMs).then(() => worker.close());
    await sleep(systemClock, 300);
    held.open();
    await Promise.all([holding, drained]);
    await other.engine.run([agentA], async () => {
      executed.push("second worker");
      return done(null);
    });

    expect(await other.engine.result("t_1")).toMatchObject({ status: "done" });
    expect(executed).toEqual(["second worker"]);
    expect(await other.engine.get("t_1")).toMatchObject({ recoveries: 0 });
    expect([...worker.faults, ...other.faults]).toEqual([]);
  });
});

describe("a worker that is closed while it starts", () => {
  it("listens nowhere, and is none of the team's workers", async () => {
    const [url, port, team] = [await (await sharedPostgres()).createDatabase(), await freePort(), `beginning${process.pid}x${++teams}`];
    const open = () => openEngineWorker({ team, url, port, lane: { port }, recallMsMax: 50, sweepMs: 200 });
    const [worker, other] = [await open(), await open()];
    closing.push(() => other.close(), () => worker.close());
    const [held, locked] = [createGate(), createGate()];
    const holding = other.db.transaction(async (tx) => {
      await tx.run("LOCK TABLE lh_task IN ACCESS EXCLUSIVE MODE");
      locked.open();
      await held.opened;
    });
    await locked.opened;

    const started = worker.engine.run([agentA], async () => done(null)).then(() => "started", () => "refused");
    await until("it is about to look for its runs", async () => (await other.db.all("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")).length > 0);
    await worker.engine.close();
    held.open();
    await Promise.all([holding, started]);

    const socket = connect(port, "127.0.0.1");
    expect(await once(socket, "connect").then(() => "listens", () => "does not")).toBe("does not");
    expect(await other.db.all("SELECT 1 FROM lh_worker")).toEqual([]);
  });
});
