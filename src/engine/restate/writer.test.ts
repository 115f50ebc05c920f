import { afterAll, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { seededRandom } from "../../base/random.ts";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import { PostgresDatabase } from "../../db/postgres.ts";
import type { Write } from "../../record/write.ts";
import { defaultEngineLimits } from "../limits.ts";
import { freePort } from "../../base/fixture/free-port.ts";
import { Writer } from "./writer.ts";

const db = await PostgresDatabase.open({ url: await (await sharedPostgres()).createDatabase(), connectionsMax: 4, clock: systemClock, random: seededRandom(1) });
afterAll(() => db.close());

const value = (name: string): Write => ({ type: "meta", name, value: 1 });

it("gives the store all writes of a transaction but guards at once: it locks its rows in one order, whatever the engine came to first", async () => {
  const applied: (readonly string[])[] = [];
  const writer = new Writer({
    db, clock: systemClock, limits: defaultEngineLimits, observe: () => [], tell: () => Promise.resolve(), onCommitted: () => undefined, onFault: () => undefined,
    apply: (_, writes) => Promise.resolve(void applied.push(writes.map((write) => (write.type === "meta" ? write.name : write.type)))),
  });

  await writer.write(async (change) => {
    await change.write([value("b"), { type: "task.left", taskId: "t" }]);
    await change.write([{ type: "lease", name: "duties", epoch: 1 }]);
    await change.write([value("a")]);
  });

  expect(applied).toEqual([["lease"], ["b", "task.left", "a"]]);
});

it("says that it was closed of what it gives up then: that is neither done nor refused", async () => {
  const away = await PostgresDatabase.open({ url: `postgres://nobody@127.0.0.1:${await freePort()}/none`, clock: systemClock, random: seededRandom(1), retryForMs: 10 });
  const faults: unknown[] = [];
  const writer = new Writer({
    db: away,
    clock: systemClock,
    limits: defaultEngineLimits,
    apply: () => Promise.resolve(),
    observe: () => [],
    tell: () => Promise.resolve(),
    onCommitted: () => undefined,
    onFault: (error) => faults.push(error),
  });
  const persisted = writer.persist((change) => change.db.get("SELECT 1"));

  writer.close();

  await expect(persisted).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
  expect(faults).toEqual([]);
  await away.close();
});
