import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { EngineAgent } from "../engine.ts";
import { Alarm } from "./alarm.ts";
import { claimReady, queueParked } from "./claim.ts";
import { callOf, countExhausted, noteCrash } from "./exhausted.ts";
import { EngineRows, type Made, type MadeAs } from "./engine-rows.testsuite.ts";
import { ToldSteps } from "./facts.ts";
import { cancelTask, restartTask } from "./operator.ts";
import { failRun, type Leaving } from "./run-exits.ts";
import { startEach, startTask } from "./start-task.ts";
import { lockTouchedByEnd } from "./task-locks.ts";
import { getTask, listTasks, lockTask, markGivenBack } from "./tasks.ts";

vi.setConfig({ testTimeout: 120_000 });

const agent: EngineAgent = { name: "a", version: "1", concurrency: 10, queueMax: 1_000 };
const pairs = 12;
let rows: EngineRows;

beforeAll(async () => {
  rows = await EngineRows.open();
});
afterAll(() => rows.db.close());
beforeEach(() => rows.empty());

/** A parent that called and waits for so many. */
async function family(children: number, as: MadeAs = {}): Promise<readonly [parent: Made, ...children: Made[]]> {
  const parent = await rows.make(as);
  const called: Made[] = [];
  for (let n = 0; n < children; n++) called.push(await rows.make({ by: parent }));
  for (const child of called) await rows.waitFor(parent, { called: child });
  return [parent, ...called];
}

function end({ id, runId, runSerial, task }: Made): Promise<boolean> {
  const leaving: Leaving = {
    writer: rows.writer, activeMs: () => 0, ids: { taskId: id, taskSerial: task.serial, runId, runSerial, activation: 1, attempt: 1 },
    told: new ToldSteps({ run: runSerial, activation: 1, suspect: null, toldBefore: 0 }),
  };
  return failRun(leaving, "failed", new Error("over"));
}

const cancel = (task: Made): Promise<boolean> => rows.writer.write((change) => cancelTask(change, { id: rows.newId("c"), taskId: task.id }, "canceled by a test"));

/** How often PostgreSQL killed one of two that waited for each other. */
async function countDeadlocks(pair: () => Promise<void>): Promise<number> {
  const deadlocks = async (): Promise<number> => {
    await rows.db.get("SELECT pg_stat_force_next_flush()");
    return Number((await rows.db.get("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))?.["deadlocks"]);
  };
  const before = await deadlocks();
  for (let nth = 0; nth < pairs; nth++) await pair();
  return (await deadlocks()) - before;
}

/** Both begin while these are locked, and go on when both have come to wait. */
async function whileLocked(tasks: readonly Made[], both: readonly (() => Promise<unknown>)[]): Promise<void> {
  let begun: readonly Promise<unknown>[] = [];
  await rows.db.transaction(async (tx) => {
    await tx.all("SELECT 1 FROM lh_task WHERE id = ANY ($1) ORDER BY serial FOR UPDATE", tasks.map(({ id }) => id));
    begun = both.map((begin) => begin());
    await vi.waitFor(async () => expect((await tx.get("SELECT count(*) AS n FROM pg_locks WHERE NOT granted"))?.["n"]).toBe(both.length), 10_000);
  });
  await Promise.all(begun);
}

/** Like `whileLocked`, of keys that nobody holds in the end. */
async function whileKeysLocked(keys: readonly string[], both: readonly (() => Promise<unknown>)[]): Promise<void> {
  let begun: readonly Promise<unknown>[] = [];
  await rows.db.transaction(async (tx) => {
    await tx.run("INSERT INTO test_key (key, task_id) SELECT key, 'nobody' FROM unnest($1::text[]) AS key", keys);
    begun = both.map((begin) => begin());
    await vi.waitFor(async () => expect((await tx.get("SELECT count(*) AS n FROM pg_locks WHERE NOT granted"))?.["n"]).toBe(both.length), 10_000);
    await tx.run("DELETE FROM test_key WHERE task_id = 'nobody'");
  });
  await Promise.all(begun);
}

describe("transactions that touch the same tasks do not die of each other:", () => {
  it("a caller is canceled while what it called ends", async () => {
    expect(await countDeadlocks(async () => {
      const [parent, child] = await family(1);
      await Promise.all([cancel(parent), end(child as Made)]);
      expect(await rows.statusOf(parent)).toBe("canceled");
    })).toBe(0);
  });

  it("a caller is overdue while what it called ends", async () => {
    expect(await countDeadlocks(async () => {
      const families = [await family(2, { deadlineAtMs: rows.clock.now() }), await family(2, { deadlineAtMs: rows.clock.now() })];
      const alarm = new Alarm({ clock: rows.clock, writer: rows.writer, sweepMs: null, onReady: () => undefined, onSilentBells: () => undefined, onSweep: () => Promise.resolve(), onFault: (error) => expect.fail(String(error)) });
      await Promise.all([alarm.start(), ...families.toReversed().flatMap(([, ...children]) => children.toReversed().map(end))]);
      alarm.stop();
      for (const [parent] of families) expect(await rows.statusOf(parent)).toBe("dead");
    })).toBe(0);
  });

  it("one that several wait for ends while these are canceled", async () => {
    expect(await countDeadlocks(async () => {
      const [one, called] = await family(1);
      const other = await rows.make();
      await rows.waitFor(other, { called: called as Made });
      await Promise.all([cancel(other), end(called as Made), cancel(one)]);
    })).toBe(0);
  });

  it("a caller is canceled while what it called, older than it, ends", async () => {
    expect(await countDeadlocks(async () => {
      const called = await rows.make();
      const [one, other] = [await rows.make(), await rows.make()];
      for (const waiting of [one, other]) await rows.waitFor(waiting, { called });
      await Promise.all([cancel(other), end(called), cancel(one)]);
    })).toBe(0);
  });

  it("slots are given while those in line are canceled with their caller", async () => {
    expect(await countDeadlocks(async () => {
      const parent = await rows.make();
      const line: Made[] = [];
      for (const priority of [0, 1, 2, 3]) line.push(await rows.make({ by: parent, status: "queued", priority }));
      await whileLocked(line.slice(1, 3), [() => cancel(parent), () => rows.writer.write((change) => claimReady(change, agent, "claim", rows.newId))]);
      await rows.db.exec("DELETE FROM lh_task");
    })).toBe(0);
  });

  it("a worker gives back what is canceled with its caller", async () => {
    expect(await countDeadlocks(async () => {
      const [parent, ...children] = await family(4);
      await whileLocked(children.slice(1, 3), [() => cancel(parent), () => rows.writer.persist((change) => markGivenBack(change.db, children.toReversed().map(({ runId }) => ({ runId, activation: 1 }))))]);
    })).toBe(0);
  });

  it("a task that holds a key, and is older than its caller, is called once more while it ends", async () => {
    expect(await countDeadlocks(async () => {
      const called = await rows.make();
      const caller = await rows.make();
      await rows.waitFor(caller, { called });
      await rows.hold(called.id, called);
      const task = rows.newTask(called.id);
      const call = (): Promise<unknown> => rows.writer.persist(async (change) => {
        await lockTask(change.db, caller.id);
        await startTask(change, task, { queueMax: () => 1, parentRunId: caller.runId });
        await lockTask(change.db, called.id);
      });
      await Promise.all([call(), end(called)]);
    })).toBe(0);
  });

  it("two workers take up what other code could not go on with, each its agents in its own order", async () => {
    const agents = [agent, { ...agent, name: "b" }];
    expect(await countDeadlocks(async () => {
      const parked: Made[] = [];
      for (const name of ["a", "b", "a", "b"]) parked.push(await rows.make({ agent: name, status: "waiting", waitingReason: "code-mismatch" }));
      await whileLocked(parked.slice(0, 2), [agents, agents.toReversed()].map((taken) => () => rows.writer.persist((change) => queueParked(change, taken))));
      expect(await Promise.all(parked.map((task) => rows.statusOf(task)))).toEqual(["queued", "queued", "queued", "queued"]);
    })).toBe(0);
  });

  it("two steps start tasks of the same keys, each in its own order, and each begins them in that", async () => {
    expect(await countDeadlocks(async () => {
      const keys = ["one", "two", "three"].map((key) => rows.newId(key));
      const asked = [keys, keys.toReversed()].map((of) => of.map((key) => rows.newTask(key)));
      await whileKeysLocked(keys, asked.map((tasks) => () => rows.writer.persist((change) => startEach(change, tasks, { queueMax: () => 1_000 }))));
      const begun = (await listTasks(rows.db, { statuses: ["queued"], first: "oldest" })).map(({ key }) => String(key)).slice(-3);
      expect([keys, keys.toReversed()]).toContainEqual(begun);
    })).toBe(0);
  });

  it("a caller is canceled with what it called while it is counted of both that their worker ran out of memory", async () => {
    expect(await countDeadlocks(async () => {
      const [caller, called] = (await family(1)) as [Made, Made];
      const worker = rows.newId("w");
      await rows.writer.write((change) => noteCrash(change.db, caller.id, callOf(worker, "c")));
      await rows.db.run("UPDATE lh_task SET recoveries_without_progress = 1 WHERE id = $1", caller.id);
      await rows.db.run("UPDATE lh_task SET claim = $2 WHERE id = $1", called.id, callOf(worker, "c"));
      await whileLocked([caller, called], [() => cancel(caller), () => rows.writer.persist((change) => countExhausted(change, [worker]))]);
      expect(await rows.statusOf(called)).toBe("canceled");
    })).toBe(0);
  });

  it("a caller is restarted while what it called ends", async () => {
    expect(await countDeadlocks(async () => {
      const [parent, child] = await family(1, { status: "waiting", waitingReason: "code-mismatch" });
      await Promise.all([rows.writer.write((change) => restartTask(change, { id: rows.newId("r"), taskId: parent.id }, {})), end(child as Made)]);
      expect(await rows.statusOf(parent)).toBe("queued");
    })).toBe(0);
  });
});

it("who ends a task that others have come to wait for since begins again in place of waiting out of order", async () => {
  const waiting = await rows.make();
  const called = await rows.make();
  let tries = 0;
  const ended = rows.writer.write(async (change) => {
    tries++;
    await change.db.get("SELECT 1 AS one FROM lh_task WHERE id = $1 FOR UPDATE", called.id);
    if (tries === 1) await rows.waitFor(waiting, { called });
    await lockTouchedByEnd(change, called.task);
  });
  await rows.db.transaction(async (tx) => {
    await tx.get("SELECT 1 AS one FROM lh_task WHERE id = $1 FOR UPDATE", waiting.id);
    await vi.waitFor(() => expect(tries).toBeGreaterThan(1), 10_000);
  });
  await ended;
});

it("a task that is begun again just then is counted once of those whose worker ran out of memory", async () => {
  const task = await rows.make();
  const call = callOf("gone", "c");
  await rows.db.run("UPDATE lh_task SET claim = $2 WHERE id = $1", task.id, call);
  let counted: Promise<void> = Promise.resolve();

  await rows.writer.write(async (change) => {
    await lockTask(change.db, task.id);
    counted = rows.writer.write((other) => countExhausted(other, ["gone"]));
    await vi.waitFor(async () => expect((await change.db.get("SELECT count(*) AS n FROM pg_locks WHERE NOT granted"))?.["n"]).toBe(1), 10_000);
    await noteCrash(change.db, task.id, call);
    await change.db.run("UPDATE lh_task SET claim = $2, attempt = 2, recoveries_without_progress = 1 WHERE id = $1", task.id, callOf("other", "c"));
  });
  await counted;

  expect(await getTask(rows.db, task.id)).toMatchObject({ outOfMemoryWithoutProgress: 1, claim: callOf("other", "c") });
});
