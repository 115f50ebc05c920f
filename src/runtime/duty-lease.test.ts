import { expect, test } from "vitest";
import { macrotask } from "../base/turn.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import type { LeaseStore } from "../store/store.ts";
import { DutyLease } from "./duty-lease.ts";

/** One lease on the clock of a server, and what two workers make of it. */
function openTown() {
  const clock = new VirtualClock();
  const row = { holder: "", epoch: 0, expiresAtMs: 0 };
  const server = { isAway: false };
  /** As with NOTIFY: all hear of a lease that was given back, whoever did it. */
  const workers: DutyLease[] = [];
  const code = { isBroken: false };
  const events: string[] = [];
  const ask = async <T>(answer: () => T): Promise<T> => {
    if (server.isAway) throw new Error("no way to the server");
    return answer();
  };
  const leases: LeaseStore = {
    acquire: ({ holder, ttlMs }) =>
      ask(() => {
        const heldMs = row.expiresAtMs - clock.now();
        if (heldMs > 0 && row.holder !== holder) return { epoch: null, heldMs };
        Object.assign(row, { holder, epoch: row.epoch + 1, expiresAtMs: clock.now() + ttlMs });
        return { epoch: row.epoch, vacantMs: row.epoch === 1 ? null : -heldMs };
      }),
    renew: ({ epoch, ttlMs }) =>
      ask(() => {
        if (epoch === row.epoch) row.expiresAtMs = clock.now() + ttlMs;
        return epoch === row.epoch;
      }),
    release: ({ epoch }) =>
      ask(() => {
        if (epoch !== row.epoch) return;
        Object.assign(row, { holder: "", epoch: epoch + 1, expiresAtMs: clock.now() });
        for (const each of workers) each.wake();
      }),
  };
  const worker = (holder: string): DutyLease => {
    const lease = new DutyLease({
      clock, leases, holder,
      onError: () => events.push(`${holder} failed`),
      async begin(guard) {
        const epoch = guard.type === "lease" ? guard.epoch : 0;
        events.push(`${holder} begins ${epoch}`);
        if (code.isBroken) throw new Error("a duty cannot begin");
        return { close: async () => void events.push(`${holder} ends ${epoch}`) };
      },
    });
    workers.push(lease);
    lease.start();
    return lease;
  };
  const pass = (ms: number): Promise<void> => clock.advance(ms, macrotask);
  return { clock, row, server, code, events, worker, pass };
}

test("a worker that stops gives its duties to whoever is told", async () => {
  const { events, worker, pass } = openTown();
  const [a, b] = [worker("a"), worker("b")];
  await pass(60_000);

  await a.close();
  await pass(0);

  expect(events).toEqual(["a begins 1", "a ends 1", "b begins 3"]);
  await b.close();
});

test("a worker that is killed is replaced within 20 s", async () => {
  const { events, row, worker, pass } = openTown();
  Object.assign(row, { holder: "killed", epoch: 1, expiresAtMs: 14_999 });
  const b = worker("b");

  await pass(20_000);

  expect(events).toEqual(["b begins 2"]);
  await b.close();
});

test("a worker that does not reach the server ends its duties before its lease does, and begins again", async () => {
  const { clock, events, row, server, worker, pass } = openTown();
  const a = worker("a");
  await pass(7_000);
  server.isAway = true;

  while (!events.includes("a ends 1")) await pass(100);
  expect(clock.now()).toBeLessThanOrEqual(row.expiresAtMs);
  server.isAway = false;
  await pass(5_000);

  expect(events.filter((event) => event !== "a failed")).toEqual(["a begins 1", "a ends 1", "a begins 2"]);
  await a.close();
});

test("a worker that was replaced ends its duties at its next look", async () => {
  const { events, row, worker, pass } = openTown();
  const a = worker("a");
  await pass(1_000);
  Object.assign(row, { holder: "b", epoch: 2 });

  await pass(5_000);

  expect(events).toEqual(["a begins 1", "a ends 1"]);
  await a.close();
  expect(row).toMatchObject({ holder: "b", epoch: 2 });
});

test("a worker whose duties cannot begin rests before it tries again, for longer each time, though it hears that the lease is free", async () => {
  const { code, events, worker, pass } = openTown();
  code.isBroken = true;
  const a = worker("a");
  const begins = (): number => events.filter((event) => event.startsWith("a begins")).length;

  await pass(4_999);
  expect(begins()).toBe(1);
  await pass(10_001);
  expect(begins()).toBe(3);
  await pass(300_000);
  expect(begins()).toBeLessThan(15);

  code.isBroken = false;
  await pass(30_000);
  const last = events.at(-1);
  await pass(30_000);
  expect(last).toMatch(/^a begins/);
  expect(events.at(-1)).toBe(last);
  await a.close();
});

test("a worker whose duties cannot begin leaves them to one that can", async () => {
  const { code, events, worker, pass } = openTown();
  code.isBroken = true;
  const a = worker("a");
  await pass(0);
  code.isBroken = false;

  const b = worker("b");
  await pass(60_000);

  expect(events).toEqual(["a begins 1", "a failed", "b begins 3"]);
  await Promise.all([a.close(), b.close()]);
});
