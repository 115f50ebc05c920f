import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { createOutboxSender } from "../../src/act/outbox.ts";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { macrotask } from "../../src/base/turn.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import { GroupCommit } from "../../src/db/group-commit.ts";
import { migrate } from "../../src/db/migration.ts";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import type { Notifier } from "../../src/notify/notify.ts";
import { webhookNotifier } from "../../src/notify/webhook.ts";
import type { RecordFields } from "../../src/record/log-record.ts";
import type { Notification } from "../../src/record/notification.ts";
import type { Write } from "../../src/record/write.ts";
import { deliverForMs } from "../../src/runtime/alerting.ts";
import { storeMigrations } from "../../src/store/sqlite/schema.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite-store.ts";

const minute = 60_000;
const hour = 60 * minute;
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

interface Request {
  readonly key: string;
  readonly title: string;
  readonly wasTaken: boolean;
  readonly atMs: number;
}

/** A real receiver, which answers 503 while it is down. */
async function openSink(clock: VirtualClock) {
  const requests: Request[] = [];
  const state = { isDown: false, underWay: 0 };
  const server = createServer((request, response) => {
    void request.toArray().then((chunks) => {
      const { title } = JSON.parse(Buffer.concat(chunks as Buffer[]).toString()) as Notification;
      requests.push({ key: String(request.headers["idempotency-key"]), title, wasTaken: !state.isDown, atMs: clock.now() });
      response.writeHead(state.isDown ? 503 : 204).end();
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const counted = async (address: string, init: RequestInit): Promise<Response> => {
    state.underWay++;
    return await fetch(address, init).finally(() => state.underWay--);
  };
  return { requests, state, notifier: webhookNotifier({ url }, { clock, fetch: counted }) };
}

/** A sender over a store of its own, with this receiver and one that always takes. */
async function openWorld() {
  const clock = new VirtualClock();
  const sink = await openSink(clock);
  const db = SqliteDatabase.open(":memory:");
  migrate(db, storeMigrations);
  const commit = new GroupCommit({ db });
  const store = createSqliteStore({ db, commit });
  const records: RecordFields[] = [];
  const told: Notification[] = [];
  const pager: Notifier = { name: "pager", send: (notification) => Promise.resolve(void told.push(notification)) };
  const toOutbox = (notification: Notification, notifier: string): Write => ({ type: "outbox", id: `${notification.id}/${notifier}`, notifier, message: { ...notification }, atMs: clock.now(), expiresAtMs: clock.now() + deliverForMs });
  const sender = createOutboxSender({
    clock, random: seededRandom(7), outbox: store.outbox,
    notifiers: new Map([["webhook", sink.notifier], ["pager", pager]]),
    onRecord: (record) => void records.push(record),
    enqueue: async (notification) => {
      await store.write([toOutbox(notification, "pager")]);
      sender.wake();
    },
  });
  closing.push(async () => {
    await sender.close();
    await store.close();
    await commit.close();
    db.close();
  });
  const settle = async (): Promise<void> => {
    for (let quiet = 0; quiet < 12; quiet++) {
      if (sink.state.underWay > 0) {
        await sleep(systemClock, 1);
        quiet = -1;
      } else await macrotask();
    }
  };
  const startMs = clock.now();
  let queued = 0;
  const queue = async (): Promise<void> => {
    const title = `message ${++queued}`;
    const notification: Notification = { id: `n${queued}`, atMs: clock.now(), team: "t", agent: null, severity: "warning", title, text: title, data: {} };
    await store.write([toOutbox(notification, "webhook")]);
    sender.wake();
    await settle();
  };
  return { clock, sink, records, told, startMs, settle, queue };
}

// openclaw#39138: after an outage 110 stale messages were sent, some 15 h old, all at once.
test("a receiver that was down for a day gets what is not stale, in order, each with its own key at each attempt and a second apart; the stale ones are told elsewhere", { timeout: 120_000 }, async () => {
  const { clock, sink, records, told, startMs, settle, queue } = await openWorld();

  // Every half hour one, and the receiver is away for 26 hours of them.
  await queue();
  sink.state.isDown = true;
  for (let half = 1; half <= 52; half++) {
    await clock.advance(hour / 2, settle);
    await queue();
  }
  sink.state.isDown = false;
  const backAtMs = clock.now();
  await clock.advance(hour, settle);

  const taken = sink.requests.filter(({ wasTaken }) => wasTaken);
  const stale = taken.filter(({ title, atMs }) => atMs - (startMs + (Number(title.split(" ")[1]) - 1) * (hour / 2)) > deliverForMs);
  expect(stale).toEqual([]);
  // Those of the first two hours of the outage expired while it lasted.
  const numbers = taken.map(({ title }) => Number(title.split(" ")[1]));
  expect(numbers).toEqual([1, ...Array.from({ length: numbers.length - 1 }, (_, index) => 53 - (numbers.length - 2) + index)]);
  expect(numbers[1]).toBeGreaterThanOrEqual(5);
  expect(numbers[1]).toBeLessThanOrEqual(7);
  // One key for all attempts of one message, and no other.
  expect(new Set(sink.requests.map(({ key, title }) => `${key} ${title}`)).size).toBe(new Set(sink.requests.map(({ title }) => title)).size);
  // Nothing at once: the last one is not late.
  const after = taken.filter(({ atMs }) => atMs >= backAtMs).map(({ atMs }) => atMs);
  for (const [index, atMs] of after.slice(1, -1).entries()) expect(atMs - (after[index] ?? 0)).toBeGreaterThanOrEqual(1_000);
  const attempts = sink.requests.filter(({ wasTaken }) => !wasTaken).length;
  expect(attempts).toBeLessThan(26 * 20);
  const undelivered = records.filter(({ result }) => result === "undelivered").map(({ data }) => String(data?.["title"]));
  expect(undelivered).toEqual(Array.from({ length: (numbers[1] ?? 0) - 2 }, (_, index) => `message ${index + 2}`));
  expect(told.map(({ title }) => title)).toEqual(undelivered.map((title) => `webhook could not deliver "${title}"`));
});
