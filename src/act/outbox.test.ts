import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { sleep } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";
import { seededRandom } from "../base/random.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import type { Notifier } from "../notify/notify.ts";
import type { RecordFields } from "../record/log-record.ts";
import { MemoryOutbox, sampleNotification } from "./fixture/memory-outbox.ts";
import { createOutboxSender, type OutboxSenderOptions } from "./outbox.ts";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const seed = 20_260_101;

type Send = Notifier["send"];

/** Senders over one clock and one outbox; `start` again is a restart. */
function setUp(sends: Readonly<Record<string, Send>>) {
  const clock = new VirtualClock();
  const startMs = clock.now();
  const outbox = new MemoryOutbox();
  const records: RecordFields[] = [];
  const sentAtMs: Record<string, number[]> = {};
  const notifiers = new Map(
    Object.entries(sends).map(([name, send]): [string, Notifier] => {
      const sent: number[] = (sentAtMs[name] = []);
      const notifier: Notifier = {
        name,
        send: (notification, signal) => {
          sent.push(clock.now() - startMs);
          return send(notification, signal);
        },
      };
      return [name, notifier];
    }),
  );
  const add = (id: string, notifier = "webhook", changes: { readonly atMs?: number; readonly expiresAtMs?: number } = {}): void => {
    outbox.add({ id, notifier, notification: sampleNotification(clock.now(), { id: `n_${id}` }), atMs: clock.now(), expiresAtMs: clock.now() + 24 * hour, ...changes });
  };
  const enqueue: OutboxSenderOptions["enqueue"] = async (notification, except) => {
    for (const name of notifiers.keys()) {
      if (name !== except) outbox.add({ id: `${notification.id}/${name}`, notifier: name, notification, atMs: clock.now(), expiresAtMs: clock.now() + 24 * hour });
    }
  };
  const start = (changes: Partial<OutboxSenderOptions> = {}) =>
    createOutboxSender({ clock, random: seededRandom(seed), outbox, notifiers, enqueue, onRecord: (record) => records.push(record), ...changes });
  const results = (): readonly string[] => records.map(({ event_type: type, result, data }) => `${type} ${result} ${String(data?.["outboxId"] ?? "")}`);
  return { clock, outbox, records, sentAtMs, add, start, results };
}

const takes: Send = async () => {};
const refuses: Send = () => Promise.reject(new LonghaulError("NOTIFY_FAILED", "The receiver answered 503. Check it.", { retry: "backoff" }));
const hangs: Send = () => new Promise(() => {});

describe("an outbox sender that delivers", () => {
  it("sends what waits at its start and what wakes it, once each, and then sets no timer", async () => {
    const { clock, outbox, sentAtMs, add, start, results } = setUp({ webhook: takes });
    add("o_1");
    const sender = start();
    await clock.advance(minute);
    add("o_2");
    sender.wake();
    sender.wake();
    await clock.advance(hour);

    expect(sentAtMs["webhook"]).toEqual([0, minute]);
    expect(outbox.rows.map(({ status }) => status)).toEqual(["delivered", "delivered"]);
    expect(results()).toEqual(["alert delivered o_1", "alert delivered o_2"]);
    expect(clock.pendingAtMs).toEqual([]);
  });

  it("does not poll: it asks the outbox when something is due, ends or wakes it", async () => {
    const { clock, outbox, sentAtMs, add, start } = setUp({ webhook: takes });
    add("o_1", "webhook", { atMs: clock.now() + 5 * hour });
    start();
    await clock.advance(0);

    expect(clock.pendingAtMs).toEqual([clock.now() + 5 * hour]);
    await clock.advance(10 * hour);
    expect(sentAtMs["webhook"]).toEqual([5 * hour]);
    expect(outbox.calls.due).toBeLessThanOrEqual(3);
  });

  it("tries again with growing, jittered delays until the notifier takes it", async () => {
    let failures = 6;
    const { clock, outbox, sentAtMs, add, start, results } = setUp({ webhook: async (...sent) => (failures-- > 0 ? refuses(...sent) : undefined) });
    add("o_1");
    start();
    await clock.advance(2 * hour);

    const sent = sentAtMs["webhook"] ?? [];
    expect(sent, `seed ${seed}`).toHaveLength(7);
    for (const [index, atMs] of sent.entries()) expect(atMs - (sent[index - 1] ?? 0), `seed ${seed}`).toBeLessThanOrEqual(Math.min(5 * second * 2 ** (index - 1), 10 * minute));
    expect(outbox.rows[0]?.status).toBe("delivered");
    expect(results()).toEqual([...Array.from({ length: 6 }, () => "alert retry o_1"), "alert delivered o_1"]);
  });

  it("honours a stated wait exactly", async () => {
    let isFirst = true;
    const { clock, sentAtMs, add, start } = setUp({
      webhook: async () => {
        const wasFirst = isFirst;
        isFirst = false;
        if (wasFirst) throw new LonghaulError("NOTIFY_FAILED", "429. Wait.", { retry: { afterMs: 77_777 } });
      },
    });
    add("o_1");
    start();
    await clock.advance(hour);

    expect(sentAtMs["webhook"]).toEqual([0, 77_777]);
  });

  it("aborts an attempt that hangs, and never has one entry under way twice", async () => {
    let underWay = 0;
    let most = 0;
    const slow: Send = async (_, signal) => {
      most = Math.max(most, ++underWay);
      try {
        await sleep(clock, hour, signal);
      } finally {
        underWay--;
      }
    };
    const { clock, records, add, start } = setUp({ webhook: slow });
    add("o_1");
    const sender = start();
    for (let tick = 0; tick < 300; tick++) {
      sender.wake();
      await clock.advance(second);
    }

    expect(most).toBe(1);
    expect(records.length).toBeGreaterThan(2);
    expect(records[0]).toMatchObject({ result: "retry", agent_id: "research", reason: expect.stringContaining('"webhook" did not take the message within 20000 ms') });
  });

  it("keeps the entries of one notifier from holding up another's, even a hundred of them", async () => {
    const { clock, outbox, sentAtMs, add, start } = setUp({ webhook: hangs, console: takes });
    for (let index = 0; index < 150; index++) add(`w_${index}`, "webhook", { atMs: clock.now() - hour });
    start();
    await clock.advance(5 * minute);
    for (let index = 0; index < 5; index++) add(`c_${index}`, "console");
    await clock.advance(5 * minute);

    expect(sentAtMs["console"]).toHaveLength(5);
    expect(outbox.rows.filter(({ notifier, status }) => notifier === "webhook" && status === "pending")).toHaveLength(150);
    expect(sentAtMs["webhook"]?.length).toBeLessThan(70);
  });

  it("delivers to one notifier in the order in which messages were queued: none before the one ahead of it is delivered or given up", async () => {
    const sent: string[] = [];
    let failures = 4;
    const { clock, outbox, add, start } = setUp({
      webhook: async ({ id }) => {
        sent.push(id);
        if (id === "n_o_1" && failures-- > 0) throw new LonghaulError("NOTIFY_FAILED", "503", { retry: "backoff" });
        if (id === "n_o_2") throw new LonghaulError("NOTIFY_FAILED", "gone", { retry: "never" });
      },
    });
    for (const id of ["o_1", "o_2", "o_3"]) add(id);
    start();
    await clock.advance(hour);

    expect(sent).toEqual(["n_o_1", "n_o_1", "n_o_1", "n_o_1", "n_o_1", "n_o_2", "n_o_3"]);
    expect(outbox.rows.map(({ status }) => status)).toEqual(["delivered", "failed", "delivered"]);
  });

  it("keeps late messages to one notifier a second apart, and fresh ones not at all", async () => {
    const { clock, sentAtMs, add, start } = setUp({ webhook: takes });
    for (let index = 0; index < 3; index++) add(`late_${index}`);
    await clock.advance(2 * minute);
    for (let index = 0; index < 3; index++) add(`fresh_${index}`);
    start();
    await clock.advance(minute);

    expect(sentAtMs["webhook"]).toEqual([0, 1, 2, 2, 2, 2].map((after) => 2 * minute + after * second));
  });

  it("gives up after an hour what the receiver refuses for the message's own sake, so that the next one comes", async () => {
    const { clock, outbox, sentAtMs, add, start } = setUp({
      webhook: async ({ id }) => {
        if (id === "n_o_1") throw new LonghaulError("NOTIFY_FAILED", "answered HTTP 413", { retry: "backoff", details: { isMessageRefused: true } });
      },
    });
    add("o_1");
    add("o_2");
    start();
    await clock.advance(2 * hour);

    expect(outbox.rows.map(({ status }) => status)).toEqual(["failed", "delivered"]);
    expect(sentAtMs["webhook"]?.at(-1)).toBeGreaterThan(40 * minute);
    expect(sentAtMs["webhook"]?.at(-1)).toBeLessThanOrEqual(hour);
  });
});

describe("an outbox sender that gives up", () => {
  // openclaw#131847: a failure alert is fire-and-forget, lost without trace.
  it("retries for 24 h, then marks, records and tells through the other notifiers, with the lost text", async () => {
    const delivered: string[] = [];
    const { clock, outbox, sentAtMs, add, start, results } = setUp({
      webhook: refuses,
      console: async ({ title, text, severity }) => {
        delivered.push(`${severity} ${title} | ${text}`);
      },
    });
    add("o_1");
    start();
    await clock.advance(25 * hour);

    expect(outbox.rows[0]).toMatchObject({ status: "failed", error: expect.stringContaining("503") });
    expect(sentAtMs["webhook"]?.at(-1)).toBeGreaterThan(23.5 * hour);
    expect(sentAtMs["webhook"]?.at(-1)).toBeLessThan(24 * hour);
    expect(results().slice(-2)).toEqual(["alert undelivered o_1", "alert delivered undelivered/o_1/console"]);
    expect(delivered).toHaveLength(1);
    expect(delivered[0]).toMatch(/^critical webhook could not deliver "research is hollow" \| Given up after attempt \d+: .*503/);
    expect(delivered[0]).toContain("5 runs succeeded.");
  });

  it("does not try again what the notifier refuses for good", async () => {
    const { clock, sentAtMs, add, start, results } = setUp({ webhook: () => Promise.reject(new LonghaulError("NOTIFY_FAILED", "gone", { retry: "never" })), console: takes });
    add("o_1");
    start();
    await clock.advance(hour);

    expect(sentAtMs).toEqual({ webhook: [0], console: [0] });
    expect(results()[0]).toBe("alert undelivered o_1");
  });

  it("fails an entry of a notifier that the team does not have, visibly", async () => {
    const { clock, outbox, records, add, start } = setUp({ console: takes });
    add("o_1", "pager");
    start();
    await clock.advance(0);

    expect(outbox.rows[0]).toMatchObject({ status: "failed", error: 'The team has no notifier "pager". It has: console. Add it again, or read the message in its record.' });
    expect(records[0]).toMatchObject({ event_type: "alert", result: "undelivered", reason: expect.stringContaining("pager") });
    expect(outbox.rows[1]).toMatchObject({ notifier: "console", status: "delivered" });
  });

  // openclaw#39138: 110 stale messages, up to 15 h old, sent after an outage.
  it("does not send what became too old while the team was down, but says so", async () => {
    const { clock, sentAtMs, add, start, results } = setUp({ webhook: takes, console: takes });
    add("o_1", "webhook", { expiresAtMs: clock.now() + hour });
    await clock.advance(2 * hour);
    start();
    await clock.advance(minute);

    expect(sentAtMs).toEqual({ webhook: [], console: [2 * hour] });
    expect(results()[0]).toBe("alert undelivered o_1");
  });

  it("tells of a thousand that became too old together, in one message", async () => {
    const told: string[] = [];
    const { clock, sentAtMs, add, start, results } = setUp({ webhook: takes, console: async ({ title, text }) => void told.push(`${title}\n${text}`) });
    for (let index = 0; index < 1_000; index++) add(`o_${index}`, "webhook", { expiresAtMs: clock.now() + hour });
    await clock.advance(2 * hour);
    start();
    await clock.advance(minute);

    expect(sentAtMs["webhook"]).toEqual([]);
    expect(results().filter((result) => result.startsWith("alert undelivered"))).toHaveLength(1_000);
    expect(told).toEqual([expect.stringMatching(/^webhook could not deliver 1000 messages\nGiven up: The message was not delivered before its time was over/)]);
    expect(told[0]).toContain("[critical] research is hollow");
    expect(told[0]).toContain("and 980 more");
  });

  it("does not escalate an escalation: dead notifiers never write each other for ever", async () => {
    const { clock, outbox, add, start } = setUp({ a: refuses, b: refuses, c: refuses });
    add("o_1", "a");
    start();
    await clock.advance(100 * hour);

    expect(outbox.rows.map(({ id, status }) => `${id} ${status}`)).toEqual(["o_1 failed", "undelivered/o_1/b failed", "undelivered/o_1/c failed"]);
    expect(clock.pendingAtMs).toEqual([]);
  });
});

describe("an outbox sender over failures and restarts", () => {
  it("goes on in the next process where the last one stopped", async () => {
    let isUp = false;
    const { clock, outbox, sentAtMs, add, start } = setUp({ webhook: async (...sent) => (isUp ? undefined : refuses(...sent)) });
    add("o_1");
    const first = start();
    await clock.advance(2 * second);
    await first.close();
    const before = sentAtMs["webhook"]?.length;
    await clock.advance(hour);

    expect(sentAtMs["webhook"]).toHaveLength(before ?? 0);
    isUp = true;
    start();
    await clock.advance(hour);
    expect(outbox.rows[0]?.status).toBe("delivered");
  });

  it("lets a delivery finish when it is closed, and aborts one that takes too long without counting it", async () => {
    const { clock, outbox, add, start } = setUp({ quick: () => sleep(clock, 2 * second), webhook: (_, signal) => sleep(clock, hour, signal) });
    add("o_1", "quick");
    add("o_2");
    const sender = start();
    await clock.advance(second);
    const closed = sender.close();
    await clock.advance(5 * second);
    await closed;

    expect(outbox.rows.map(({ status, attempts }) => [status, attempts])).toEqual([["delivered", 0], ["pending", 0]]);
    expect(clock.pendingAtMs).toEqual([]);
  });

  it("does not send again because the mark of a delivery failed, and says that it did", async () => {
    const { clock, outbox, sentAtMs, add, start, results } = setUp({ webhook: takes });
    add("o_1");
    start();
    outbox.failWith(new Error("disk full"), new Error("disk full"));
    await clock.advance(0);
    outbox.failWith(new Error("disk full"));
    await clock.advance(hour);

    expect(sentAtMs["webhook"]).toHaveLength(1);
    expect(outbox.rows[0]?.status).toBe("delivered");
    expect(results().filter((result) => result === "error error ")).toHaveLength(3);
  });

  it("backs off and comes back when the outbox cannot be read", async () => {
    const { clock, outbox, records, add, start } = setUp({ webhook: takes });
    add("o_1");
    outbox.failWith(...Array.from({ length: 8 }, () => new Error("database is locked")));
    start();
    await clock.advance(10 * minute);

    expect(records[0]).toMatchObject({ event_type: "error", reason: "The outbox could not be read: database is locked" });
    expect(outbox.rows[0]?.status).toBe("delivered");
  });
});

describe("an outbox sender with a real receiver", () => {
  const closing: (() => void)[] = [];
  afterEach(() => {
    for (const close of closing.splice(0)) close();
  });

  it("delivers over HTTP after the receiver failed twice", async () => {
    const bodies: string[] = [];
    const server = createServer((request, response) => {
      void request.toArray().then((chunks) => {
        bodies.push(Buffer.concat(chunks as Buffer[]).toString());
        response.writeHead(bodies.length < 3 ? 503 : 204).end();
      });
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    closing.push(() => {
      server.closeAllConnections();
      server.close();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    // The receiver asks for no delay, so that real time need not be matched with virtual time.
    const { add, start } = setUp({
      webhook: async (notification, signal) => {
        const response = await fetch(url, { method: "POST", body: JSON.stringify(notification), signal });
        if (!response.ok) throw new LonghaulError("NOTIFY_FAILED", `answered ${response.status}`, { retry: { afterMs: 0 } });
      },
    });
    add("o_1");
    const delivered = Promise.withResolvers<void>();
    start({ onRecord: ({ result }) => void (result === "delivered" && delivered.resolve()) });
    await delivered.promise;

    expect(bodies).toHaveLength(3);
    expect(JSON.parse(bodies[2] ?? "")).toMatchObject({ id: "n_o_1", title: "research is hollow", severity: "critical" });
  });
});
