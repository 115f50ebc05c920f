import { afterEach, describe, expect, it } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { createIds } from "../../src/base/id.ts";
import { systemRandom } from "../../src/base/random.ts";
import { sharedPostgres } from "../../src/db/fixture/postgres-server.ts";
import { migratePostgres } from "../../src/db/postgres-migration.ts";
import { PostgresDatabase } from "../../src/db/postgres.ts";
import { agentA, createGate, done, until, value } from "../../src/engine/engine-fixture.testsuite.ts";
import type { Execute } from "../../src/engine/engine.ts";
import { restateEngineMigrations } from "../../src/engine/restate/engine-migrations.ts";
import { freePort, sharedRestate } from "../../src/engine/restate/fixture/restate-server.ts";
import { createRestateEngine, type RestateEngine } from "../../src/engine/restate/restate-engine.ts";
import { createCutProxy } from "./fixture/cut-proxy.ts";
import { createSwitch, type Switch } from "./fixture/switch.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

interface Worker {
  readonly engine: RestateEngine;
  readonly port: number;
  /** Its connections to PostgreSQL. */
  readonly way: Awaited<ReturnType<typeof createCutProxy>>;
}

async function openWorker(team: string, url: string, lane: Switch): Promise<Worker> {
  const way = await createCutProxy(Number(new URL(url).port));
  const own = new URL(url);
  own.port = String(way.port);
  const db = await PostgresDatabase.open({ url: own.href, clock: systemClock, random: systemRandom });
  await migratePostgres(db, restateEngineMigrations);
  const port = await freePort();
  const engine = createRestateEngine({
    team, db,
    restate: await sharedRestate(),
    endpoint: { host: "127.0.0.1", port, uri: `http://127.0.0.1:${lane.port}` },
    clock: systemClock,
    ids: createIds(systemClock, systemRandom),
    apply: async () => undefined,
    observe: () => [],
    onFault: () => undefined,
    recallMsMax: 50,
  });
  closing.push(() => way.close(), () => db.close(), () => engine.abandon());
  return { engine, port, way };
}

describe("a worker that begins an attempt while PostgreSQL is away", () => {
  it("does not begin it any more when Restate has called another worker meanwhile", async () => {
    const url = await (await sharedPostgres()).createDatabase();
    const lane = await createSwitch();
    closing.push(() => lane.close());
    const team = `late${process.pid}`;
    const [first, second] = [await openWorker(team, url, lane), await openWorker(team, url, lane)];
    const began: string[] = [];
    const gate = createGate();
    const program = (name: string): Execute => async (ctx) =>
      done(await ctx.step({ kind: "code", name: "work" }, async () => {
        began.push(name);
        await gate.opened;
        return value(name);
      }));
    lane.leadTo(first.port);
    await first.engine.run([agentA], program("first"));
    const nowMs = systemClock.now();
    const { taskId } = await first.engine.start({ id: "t_1", agent: "a", input: null, key: null, priority: 0, notBeforeAtMs: 0, deadlineAtMs: nowMs + 3_600_000, depth: 0, source: "test" });
    await until(() => began.length === 1, "the first worker executes it");

    // Called again, the first worker cannot begin; the second one can.
    first.way.cut("reset");
    lane.leadTo(first.port);
    await sleep(systemClock, 1_000);
    lane.leadTo(second.port);
    await second.engine.run([agentA], program("second"));
    await until(() => began.includes("second"), "the second worker executes it");
    first.way.heal();
    await sleep(systemClock, 4_000);
    gate.open();

    await until(async () => (await second.engine.get(taskId))?.status === "done", "the task is done");
    expect(await second.engine.get(taskId)).toMatchObject({ end: { output: "second" }, recoveries: 1 });
    expect(began).toEqual(["first", "second"]);
  }, 60_000);
});
