import { expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { seededRandom } from "../../base/random.ts";
import { PostgresDatabase } from "../../db/postgres.ts";
import { defaultEngineLimits } from "../limits.ts";
import { freePort } from "../../base/fixture/free-port.ts";
import { TaskDesk } from "./task-desk.ts";
import { Writer } from "./writer.ts";

it("fails a start after the time for which PostgreSQL is waited for, and not after twice that", async () => {
  const retryForMs = 5_000;
  const db = await PostgresDatabase.open({ url: `postgres://nobody@127.0.0.1:${await freePort()}/away`, retryForMs, clock: systemClock, random: seededRandom(1) });
  const writer = new Writer({
    db, clock: systemClock, limits: defaultEngineLimits, observe: () => [], tell: () => Promise.resolve(), onCommitted: () => undefined, onFault: () => undefined, apply: () => Promise.resolve(),
  });
  const desk = new TaskDesk({ writer, ids: (prefix) => prefix, queueMax: () => 1 });
  const startedAtMs = systemClock.monotonicMs();

  const started = desk.start({ id: "t", agent: "a", input: null, key: null, priority: 0, notBeforeAtMs: 0, deadlineAtMs: 1, depth: 0, source: "test" });

  await expect(started).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
  expect(systemClock.monotonicMs() - startedAtMs).toBeLessThan(2 * retryForMs);
  await db.close();
});
