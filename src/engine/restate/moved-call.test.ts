import { afterEach, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { createIds } from "../../base/id.ts";
import { seededRandom } from "../../base/random.ts";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import { migratePostgres } from "../../db/postgres-migration.ts";
import { PostgresDatabase } from "../../db/postgres.ts";
import type { EngineAgent, Execute } from "../engine.ts";
import { restateEngineMigrations } from "./engine-migrations.ts";
import { freePort } from "../../base/fixture/free-port.ts";
import { sharedRestate } from "./fixture/restate-server.ts";
import { createRestateEngine, type RestateEngine } from "./restate-engine.ts";

const agent: EngineAgent = { name: "a", version: "1", concurrency: 10, queueMax: 100 };
const ids = createIds(systemClock, seededRandom("moved call"));
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** A worker at an address of its own, which has the duties: what its one step does, the test says. */
async function open(worker: string, url: string, step: () => Promise<string>): Promise<{ readonly engine: RestateEngine; readonly db: PostgresDatabase }> {
  const db = await PostgresDatabase.open({ url, clock: systemClock, random: seededRandom(worker) });
  await migratePostgres(db, restateEngineMigrations);
  const engine = createRestateEngine({
    team: `moved${process.pid}`, worker, db, ids,
    clock: systemClock, sweepMs: 200, recallMsMax: 200,
    restate: await sharedRestate(),
    endpoint: { host: "127.0.0.1", port: await freePort() },
    apply: async () => undefined,
    observe: () => [],
    onFault: () => undefined,
  });
  closing.push(async () => {
    await engine.close();
    await db.close();
  });
  const execute: Execute = async (context) => {
    const output = await context.step({ kind: "code", name: "one" }, async () => ({ outcome: { ok: true, value: await step() } }));
    return { end: { status: "done", outcome: "unverified", output, evidence: null, reason: null } };
  };
  await engine.run([agent], execute);
  return { engine, db };
}

it("a run that began with a worker that was killed, at an address of its own, goes on with one at another address", async () => {
  const url = await (await sharedPostgres()).createDatabase();
  const { engine: here, db } = await open("here", url, async () => "here");
  let begun = (): void => undefined;
  const isBegun = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const { engine: there } = await open("there", url, () => {
    begun();
    return new Promise(() => undefined);
  });
  const id = ids("t");
  const nowMs = systemClock.now();
  await here.start({ id, agent: "a", input: null, key: null, priority: 1, notBeforeAtMs: 0, deadlineAtMs: nowMs + 3_600_000, depth: 0, source: "test" });
  await isBegun;

  await there.abandon();
  // Half a minute later.
  await db.run("UPDATE lh_worker SET seen_at = seen_at - interval '30 s' WHERE name = 'there'");

  expect(await here.result(id)).toMatchObject({ status: "done", output: "here" });
});
