import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { sleep, systemClock } from "../../base/clock.ts";
import { until } from "../../base/fixture/until.ts";
import { createLosingProxy, type LosingProxy } from "../../db/fixture/losing-proxy.ts";
import { type PostgresServer, startPostgres } from "../../db/fixture/postgres-server.ts";
import { toLogRecord } from "../../record/log-record.ts";
import type { Write } from "../../record/write.ts";
import { reservation, settleWrite } from "../money.testsuite.ts";
import { type OpenedStore, OpenedStores } from "./fixture/opened-stores.ts";

const cutAll = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'longhaul'";
const amount = { amountMicroUsd: 10, perTaskMicroUsd: 1_000_000, perDayMicroUsd: 1_000_000 };

let server: PostgresServer;
const stores = new OpenedStores(() => Promise.resolve(server.url()));

beforeAll(async () => {
  server = await startPostgres();
});
afterEach(() => stores.closeAll());
afterAll(() => server.close());

function recordOf(id: string): Extract<Write, { readonly type: "record" }> {
  return { type: "record", record: toLogRecord(id, 0, "team", { event_type: "task" }) };
}

function outbox(id: string): Write {
  return { type: "outbox", id, notifier: "console", message: { id, atMs: 0, team: "team", agent: null, severity: "info", title: id, text: id, data: {} }, atMs: 0, expiresAtMs: 100 };
}

/** Does one step's worth of everything under the name `id`. */
async function doStep({ store }: OpenedStore, id: string): Promise<void> {
  await store.money.reserve(reservation(`m${id}`, amount));
  expect(await store.effects.intend({ key: `e${id}`, fence: 1, toolName: "send", taskId: "t", runId: "r", atMs: 1 })).toEqual({ state: "intended-now" });
  await store.write([recordOf(`i${id}`), { type: "message", id: `h${id}`, parentId: null, content: { role: "user", text: id } }]);
  await store.write([
    settleWrite(`m${id}`, 7, 1), { type: "effect.complete", key: `e${id}`, result: id }, { type: "progress", id: `p${id}`, agent: "a", atMs: 1, what: "verified", outputHash: null },
    { type: "key.claim", key: `k${id}`, taskId: id, atMs: 0, expiresAtMs: 10 }, recordOf(`x${id}`),
  ]);
}

/** Two processes work until the trouble is over and each did one more step. Returns how many steps were acknowledged. */
async function workDuring(processes: readonly OpenedStore[], trouble: () => Promise<void>): Promise<number> {
  let next = 0;
  let done = 0;
  let isOver = false;
  const work = async (process: OpenedStore): Promise<void> => {
    for (let isLast = false; !isLast; ) {
      isLast = isOver;
      await doStep(process, String(++next));
      done++;
    }
  };
  const working = Promise.all(processes.flatMap((process) => [work(process), work(process)]));
  await Promise.race([working, until("work is under way", () => done >= 4)]);
  await trouble();
  isOver = true;
  await working;
  return next;
}

describe("a team of two processes loses nothing that was acknowledged and does nothing twice", () => {
  it.each<[string, () => Promise<void>]>([
    ["PostgreSQL is restarted", async () => {
      await server.stop("fast");
      await sleep(systemClock, 50);
      await server.start();
    }],
    ["PostgreSQL is killed", async () => {
      await server.stop("kill");
      await server.start();
    }],
    ["connections are cut, again and again", async () => {
      for (let round = 0; round < 15; round++) {
        await server.query(cutAll);
        await sleep(systemClock, 5);
      }
    }],
  ])("while %s", async (_, trouble) => {
    const first = await stores.open();
    const { store, db } = first;

    const steps = await workDuring([first, await stores.open({ schema: db.schema })], trouble);

    expect(await store.money.spent({})).toEqual({ spentMicroUsd: 7 * steps, reservedMicroUsd: 0, tokens: steps });
    expect(await store.progress.all()).toMatchObject([{ count: steps }]);
    expect(await db.get("SELECT count(*) AS records, count(DISTINCT id) AS ids FROM lh_record")).toEqual({ records: 2 * steps, ids: 2 * steps });
    expect(await db.get("SELECT count(*) AS messages FROM lh_message")).toEqual({ messages: steps });
    expect(await db.get("SELECT count(*) AS effects FROM lh_effect WHERE state = 'completed'")).toEqual({ effects: steps });
    expect(await db.get("SELECT count(*) AS keys FROM lh_key WHERE key = 'k' || task_id")).toEqual({ keys: steps });
  });
});

describe("work whose COMMIT took effect and whose answer was lost", () => {
  let proxy: LosingProxy;
  beforeAll(async () => {
    proxy = await createLosingProxy(server.port);
  });
  afterEach(() => stores.closeAll());
  afterAll(() => proxy.close());

  it("is done once, and the call that made an intent knows its own", async () => {
    const throughProxy = await stores.open({ url: server.url().replace(String(server.port), String(proxy.port)) });
    const { store, db } = throughProxy;

    proxy.loseCommits((commit) => commit % 2 === 0);
    for (let step = 1; step <= 3; step++) await doStep(throughProxy, String(step));
    proxy.loseCommits((commit) => commit % 3 !== 0);
    await store.write([outbox("o1")]);
    await store.outbox.failed("o1", { atMs: 1, error: "refused", nextAtMs: 2 });
    await store.outbox.failed("o1", { atMs: 2, error: "refused", nextAtMs: 3 });

    expect(await store.effects.intend({ key: "e1", fence: 1, toolName: "send", taskId: "t", runId: "r", atMs: 1 })).toEqual({ state: "completed", result: "1" });
    expect(await store.money.spent({})).toEqual({ spentMicroUsd: 21, reservedMicroUsd: 0, tokens: 3 });
    expect(await store.progress.all()).toMatchObject([{ count: 3 }]);
    expect(await store.outbox.due(10)).toMatchObject([{ id: "o1", attempts: 2, nextAtMs: 3 }]);
    expect(await db.get("SELECT count(*) AS records FROM lh_record")).toEqual({ records: 6 });
  });
});
