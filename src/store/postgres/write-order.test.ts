import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import type { Write } from "../../record/write.ts";
import { type OpenedStore, OpenedStores } from "./fixture/opened-stores.ts";
import { inLockOrder, type RowWrite } from "./write-order.ts";

const stores = new OpenedStores(() => sharedPostgres().then((server) => server.createDatabase()));
let opened: OpenedStore;
let pairs = 0;

beforeAll(async () => {
  opened = await stores.open();
});
afterAll(() => stores.closeAll());

const dayMs = 86_400_000;
const noLimit = Number.MAX_SAFE_INTEGER;

/** Two transactions whose writes came in opposite orders, many times over: how often one died of the other. */
async function countDeadlocks(writesOf: (side: string) => Promise<readonly Write[]>): Promise<number> {
  const { db, store } = opened;
  const deadlocks = async (): Promise<number> => {
    const [row] = await (await sharedPostgres()).query(`SELECT deadlocks FROM pg_stat_database WHERE datname = '${new URL(await name()).pathname.slice(1)}'`);
    return Number(row?.["deadlocks"]);
  };
  const name = async (): Promise<string> => (await sharedPostgres()).url(String((await db.get("SELECT current_database() AS name"))?.["name"]));
  const before = await deadlocks();
  for (let pair = 0; pair < 20; pair++) {
    const [forth, back] = [await writesOf(`f${++pairs}`), await writesOf(`b${pairs}`)];
    await Promise.all([store.write(forth), store.write(back.toReversed())]);
  }
  await db.get("SELECT pg_stat_force_next_flush()");
  return (await deadlocks()) - before;
}

describe("writes of two transactions that come crosswise", () => {
  it.each<[string, (side: string) => Promise<readonly Write[]>]>([
    ["progress of two agents", async (side) => ["a", "b", "c"].map((agent) => ({ type: "progress", id: `${side}/${agent}`, agent, atMs: 1, what: "step", outputHash: null }))],
    ["named values", async () => ["a", "b", "c"].map((name) => ({ type: "meta", name, value: 1 }))],
    ["results of effects", async () => ["a", "b", "c"].map((key) => ({ type: "effect.complete", key, result: 1 }))],
    ["states of triggers", async () => ["a", "b", "c"].map((triggerId) => ({ type: "trigger.state", triggerId, state: {} }))],
    ["values and progress", async (side) => [{ type: "meta", name: "a", value: 1 }, { type: "progress", id: `${side}/mixed`, agent: "a", atMs: 1, what: "step", outputHash: null }]],
    ["what was billed to agents of one day", async (side) => {
      for (const agent of ["a", "b", "c"]) {
        await opened.store.money.reserve({ id: `${side}/${agent}`, stepKey: `${side}/${agent}`, agent, taskId: `${side}/${agent}`, atMs: dayMs, amountMicroUsd: 1, perTaskMicroUsd: noLimit, perDayMicroUsd: noLimit });
      }
      return ["a", "b", "c"].map((agent) => ({ type: "money.settle", reservationId: `${side}/${agent}`, spentMicroUsd: 1, tokens: 1 }));
    }],
  ])("%s: neither dies of the other", async (_, writesOf) => {
    expect(await countDeadlocks(writesOf)).toBe(0);
  });
});

it("keeps the order of writes to one row", () => {
  const progress = (id: string, agent: string): RowWrite => ({ type: "progress", id, agent, atMs: 1, what: "step", outputHash: null });

  expect(inLockOrder([progress("1", "b"), progress("2", "a"), progress("3", "b"), { type: "lease", name: "duties", epoch: 1 }])).toEqual([
    { type: "lease", name: "duties", epoch: 1 }, progress("2", "a"), progress("1", "b"), progress("3", "b"),
  ]);
});
