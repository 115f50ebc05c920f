import { afterAll, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { systemRandom } from "../../base/random.ts";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import { PostgresDatabase } from "../../db/postgres.ts";
import { readPlace } from "./place.ts";

const open = async (url: string): Promise<PostgresDatabase> => await PostgresDatabase.open({ url, clock: systemClock, random: systemRandom });
const server = await sharedPostgres();
const [url, other] = [await server.createDatabase(), await server.createDatabase()];
const owner = await open(url);
afterAll(() => owner.close());

it("tells one database from another, and is the same for all who open it", async () => {
  const [again, elsewhere] = [await open(url), await open(other)];

  const place = await readPlace(owner);

  expect(place).toMatch(/^\d+\.\d+\.\w+$/);
  expect(await readPlace(again)).toBe(place);
  expect(await readPlace(elsewhere)).not.toBe(place);
  await again.close();
  await elsewhere.close();
});

it("is not known to a user whom a provider of PostgreSQL does not let ask for it: a worker starts all the same", async () => {
  const name = `place_${process.pid}`;
  await owner.exec(`CREATE ROLE ${name} LOGIN PASSWORD 'p'; REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC`);
  const address = new URL(url);
  [address.username, address.password] = [name, "p"];
  const db = await open(address.href);

  const place = await readPlace(db);

  await db.close();
  await owner.exec(`DROP ROLE ${name}`);
  expect(place).toBeNull();
});
