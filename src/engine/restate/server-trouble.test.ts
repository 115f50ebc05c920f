import { afterAll, describe, expect, it } from "vitest";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import type { Write } from "../../record/write.ts";
import { agentA, done, newTask, until, value } from "../engine-fixture.testsuite.ts";
import type { Execute } from "../engine.ts";
import { restateSuite, type RestateFixture } from "./restate-fixture.testsuite.ts";

/** The engine is a user of its own: it alone can be kept out. */
const guest = `guest${process.pid}`;
const suite = restateSuite({
  way: async (url) => {
    await (await sharedPostgres()).query(`DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${guest}') THEN CREATE ROLE ${guest} LOGIN SUPERUSER; END IF; END $$`);
    return url.replace("longhaul@", `${guest}@`);
  },
});
afterAll(() => suite.destroy());

/** One that others see. */
const write: Write = { type: "key.claim", key: "charged", taskId: "t", atMs: 0, expiresAtMs: Number.MAX_SAFE_INTEGER };
const ends: Readonly<Record<string, Execute>> = {
  "a step": async (ctx) => done(await ctx.step({ kind: "code", name: "charge" }, async () => value("charged", [write]))),
  "a run": async () => ({ ...done("charged"), writes: [write] }),
};

/** What commits while this lasts, waits for the key's table; `trouble` has the engine fail for a while. No time passes on the engine's clock meanwhile. */
async function keepFromCommit({ observer }: RestateFixture, trouble: () => Promise<void>): Promise<void> {
  await observer.transaction(async (tx) => {
    await tx.exec("LOCK TABLE test_key IN ACCESS EXCLUSIVE MODE");
    await trouble();
  });
}

/** An operator, or the limit of a statement's time, ends the statement that waits, so many times. */
async function cancelWaiting({ clock }: RestateFixture, database: string, times: number): Promise<void> {
  const server = await sharedPostgres();
  for (let canceled = 0; canceled < times; ) {
    const rows = await server.query(`SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = '${database}' AND usename = '${guest}' AND wait_event_type = 'Lock'`);
    canceled += rows.length;
    await clock.advance(100, () => Promise.resolve());
  }
}

async function databaseOf({ observer }: RestateFixture): Promise<string> {
  return String((await observer.get("SELECT current_database() AS name"))?.["name"]);
}

describe("what PostgreSQL fails with at a commit, of itself", () => {
  it.each(Object.keys(ends))("is not what %s comes to: it is committed when that is over, and people are told", async (name) => {
    const fixture = (await suite.create()) as RestateFixture;
    const database = await databaseOf(fixture);
    await fixture.engine.run([agentA], ends[name] ?? fail);
    let taskId = "";

    await keepFromCommit(fixture, async () => {
      ({ taskId } = await fixture.engine.start(newTask(fixture)));
      await cancelWaiting(fixture, database, 3);
    });
    const ended = fixture.engine.result(taskId);
    await advanceUntilSettled(fixture, ended);

    expect(await ended).toMatchObject({ status: "done", output: "charged" });
    expect(await fixture.observer.all("SELECT key FROM test_key")).toEqual([{ key: "charged" }]);
    expect((await fixture.engine.steps(String((await fixture.engine.get(taskId))?.runId))).map(({ outcome }) => outcome.ok)).toEqual(name === "a step" ? [true] : []);
    expect(fixture.faults).toMatchObject([{ code: "57014" }]);
  });

  it("is not what a step comes to when the worker is not let in any more", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    const server = await sharedPostgres();
    await fixture.engine.run([agentA], async (ctx) => done(await ctx.step({ kind: "code", name: "charge" }, async () => {
      await server.query(`ALTER ROLE ${guest} NOLOGIN`);
      await server.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${guest}'`);
      return value("charged", [write]);
    })));

    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(() => fixture.faults.length > 0, "people are told");
    await server.query(`ALTER ROLE ${guest} LOGIN`);
    const ended = fixture.engine.result(taskId);
    await advanceUntilSettled(fixture, ended);

    expect(await ended).toMatchObject({ status: "done", output: "charged" });
    expect(fixture.faults[0]).toMatchObject({ code: "STORE_REFUSED" });
  });
});

/** Lets time pass as long as it takes. */
async function advanceUntilSettled({ clock }: RestateFixture, work: Promise<unknown>): Promise<void> {
  let isSettled = false;
  work.catch(() => undefined).finally(() => (isSettled = true));
  await until(async () => {
    if (!isSettled) await clock.advance(100, () => Promise.resolve());
    return isSettled;
  }, "it ends");
}

function fail(): never {
  throw new Error("no such end");
}
