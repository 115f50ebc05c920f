import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { EngineRows } from "./engine-rows.testsuite.ts";
import { addWorker, addWorkerAgain, beatWorker, listKnownWorkers, removeWorker } from "./workers.ts";

let rows: EngineRows;
beforeAll(async () => {
  rows = await EngineRows.open();
});
afterAll(() => rows.db.close());
beforeEach(() => rows.db.exec("TRUNCATE lh_worker RESTART IDENTITY"));

const come = (name: string): Promise<number> => addWorker(rows.db, { name, uri: "http://127.0.0.1:1", isAdvertised: true });
const silent = async (name: string, interval: string): Promise<void> => void (await rows.db.run("UPDATE lh_worker SET seen_at = seen_at - $2::interval WHERE name = $1", name, interval));

it("lists those that live as they came, then the gone, last seen first, and none that spoke after PostgreSQL's present", async () => {
  for (const name of ["long gone", "first", "after now", "gone", "second"]) await come(name);
  await silent("long gone", "3 h");
  await silent("gone", "31 s");
  await silent("first", "5 s");
  await silent("after now", "-1 h");

  const known = await listKnownWorkers(rows.db);

  expect(known.map(({ name, isLive }) => [name, isLive])).toEqual([["first", true], ["second", true], ["gone", false], ["long gone", false]]);
  const silence = known.map(({ silentMs }) => silentMs);
  for (const [index, leastMs] of [5_000, 0, 31_000, 10_800_000].entries()) expect(silence[index]).toBeGreaterThanOrEqual(leastMs);
  const row = await rows.db.get("SELECT extract(epoch FROM seen_at) * 1000 AS ms FROM lh_worker WHERE name = 'first'");
  expect(known[0]?.seenAtMs).toBe(Math.round(Number(row?.["ms"])));
});

it("lists the others where a row says that it was seen before all time", async () => {
  await come("first");
  await come("never");
  await rows.db.run("UPDATE lh_worker SET seen_at = '-infinity' WHERE name = 'never'");

  expect((await listKnownWorkers(rows.db)).map(({ name }) => name)).toEqual(["first"]);
});

it("gives a worker its position back once, however often it asks, and none that another worker has, or will have", async () => {
  const [self, other] = [await come("self"), await come("other")];
  const again = { name: "self", uri: "http://127.0.0.1:1", isAdvertised: true };
  await rows.db.run("DELETE FROM lh_worker WHERE name = 'self'");

  expect([await addWorkerAgain(rows.db, self, again), await addWorkerAgain(rows.db, self, again)]).toEqual([self, self]);
  expect(await addWorkerAgain(rows.db, other, again)).toBe(other + 1);
  expect(await addWorkerAgain(rows.db, other + 3, again)).toBe(other + 2);
  expect(await come("later")).toBe(other + 3);
});

it("keeps a worker from the row of another one that was given its position, after PostgreSQL went back to an earlier state", async () => {
  const position = await come("newcomer");
  await silent("newcomer", "20 s");

  const live = await beatWorker(rows.db, { position, name: "before" }, "trouble of another one");
  await removeWorker(rows.db, { position, name: "before" });

  expect(live).toMatchObject([{ position, name: "newcomer", trouble: null }]);
  expect(await listKnownWorkers(rows.db)).toMatchObject([{ name: "newcomer", trouble: null, silentMs: expect.closeTo(20_000, -4) as number }]);
});
