import { expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { seededRandom } from "../../base/random.ts";
import { PostgresDatabase } from "../../db/postgres.ts";
import { defaultEngineLimits } from "../limits.ts";
import { freePort } from "./fixture/restate-server.ts";
import { Writer } from "./writer.ts";

it("says that it was closed of what it gives up then: that is neither done nor refused", async () => {
  const db = await PostgresDatabase.open({ url: `postgres://nobody@127.0.0.1:${await freePort()}/none`, clock: systemClock, random: seededRandom(1), retryForMs: 10 });
  const faults: unknown[] = [];
  const writer = new Writer({
    db,
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
  await db.close();
});
