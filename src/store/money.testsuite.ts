import { describe, expect, it } from "vitest";
import type { Write } from "../record/write.ts";
import type { Reservation, Store } from "./store.ts";

const startAtMs = Date.UTC(2026, 0, 15, 10, 23, 45, 120);
const dayEndsAtMs = Date.UTC(2026, 0, 16);

/** The part of the store's contract that is about money. */
export function testMoney(current: () => Store): void {
  describe("within the limits", () => {
    testLimits(current);
  });
  describe("of what was billed", () => {
    testSpent(current);
  });
  describe("of what was lost or given back", () => {
    testLost(current);
  });
}

export function reservation(id: string, fields: Partial<Reservation> = {}): Reservation {
  return { id, stepKey: `step of ${id}`, agent: "research", taskId: "t1", atMs: startAtMs, amountMicroUsd: 100, perTaskMicroUsd: 1_000, perDayMicroUsd: 1_000, ...fields };
}

export function settleWrite(reservationId: string, spentMicroUsd: number, tokens = 0): Write {
  return { type: "money.settle", reservationId, spentMicroUsd, tokens };
}

function testLimits(current: () => Store): void {
  it("allows an amount that reaches a limit exactly and refuses the next millionth", async () => {
    await current().money.reserve(reservation("m1", { amountMicroUsd: 600 }));

    expect(await current().money.reserve(reservation("m2", { amountMicroUsd: 401, perDayMicroUsd: 5_000 }))).toEqual({ ok: false, limit: "task", limitMicroUsd: 1_000, usedMicroUsd: 600, resetsAtMs: null });
    expect(await current().money.reserve(reservation("m3", { amountMicroUsd: 400 }))).toEqual({ ok: true });
    expect(await current().money.reserve(reservation("m4", { amountMicroUsd: 1 }))).toMatchObject({ ok: false });
    expect(await current().money.reserve(reservation("m5", { amountMicroUsd: 0 }))).toEqual({ ok: true });
  });

  it("counts the UTC day of the agent over all its tasks, and says when it ends", async () => {
    await current().money.reserve(reservation("m1", { taskId: "t1", amountMicroUsd: 700 }));

    expect(await current().money.reserve(reservation("m2", { taskId: "t2", amountMicroUsd: 301 }))).toEqual({ ok: false, limit: "day", limitMicroUsd: 1_000, usedMicroUsd: 700, resetsAtMs: dayEndsAtMs });
    expect(await current().money.reserve(reservation("m3", { taskId: "t3", amountMicroUsd: 301, atMs: dayEndsAtMs - 1 }))).toMatchObject({ limit: "day" });
    expect(await current().money.reserve(reservation("m4", { taskId: "t2", amountMicroUsd: 301, atMs: dayEndsAtMs }))).toEqual({ ok: true });
    expect(await current().money.reserve(reservation("m5", { taskId: "t5", amountMicroUsd: 301, agent: "other" }))).toEqual({ ok: true });
  });

  it("promises no day on which a call would be allowed that alone passes the day's limit", async () => {
    expect(await current().money.reserve(reservation("m1", { amountMicroUsd: 501, perDayMicroUsd: 500 }))).toMatchObject({ ok: false, limit: "day", resetsAtMs: null });
  });

  it("never overshoots when 50 calls reserve at once", async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => current().money.reserve(reservation(`m${index}`, { taskId: `t${index}` }))));

    expect(answers.filter(({ ok }) => ok)).toHaveLength(10);
    expect(await current().money.spent({})).toMatchObject({ reservedMicroUsd: 1_000 });
  });

  it("answers the same reservation again without setting more aside", async () => {
    await current().money.reserve(reservation("m1", { amountMicroUsd: 800 }));

    expect(await current().money.reserve(reservation("m1", { amountMicroUsd: 800 }))).toEqual({ ok: true });
    expect(await current().money.spent({})).toMatchObject({ reservedMicroUsd: 800 });
  });
}

function testSpent(current: () => Store): void {
  it("counts what was really billed, also above the reservation, and gives back the rest", async () => {
    await current().money.reserve(reservation("m1", { amountMicroUsd: 500 }));
    await current().money.reserve(reservation("m2", { amountMicroUsd: 500 }));

    await current().write([settleWrite("m1", 900, 10), settleWrite("m2", 20, 5)]);

    expect(await current().money.spent({ taskId: "t1" })).toEqual({ spentMicroUsd: 920, reservedMicroUsd: 0, tokens: 15 });
    expect(await current().money.reserve(reservation("m3", { amountMicroUsd: 81 }))).toMatchObject({ ok: false, usedMicroUsd: 920 });
    expect(await current().money.reserve(reservation("m4", { amountMicroUsd: 80 }))).toEqual({ ok: true });
  });

  it("sums by agent, by task and from an instant on", async () => {
    await current().money.reserve(reservation("m1", { agent: "a", taskId: "t1", amountMicroUsd: 1 }));
    await current().money.reserve(reservation("m2", { agent: "a", taskId: "t2", amountMicroUsd: 10, atMs: startAtMs + 1 }));
    await current().money.reserve(reservation("m3", { agent: "b", taskId: "t2", amountMicroUsd: 100, atMs: startAtMs + 2 }));

    const reserved = await Promise.all([{}, { agent: "a" }, { taskId: "t2" }, { sinceMs: startAtMs + 1 }, { agent: "a", sinceMs: startAtMs + 1 }].map((filter) => current().money.spent(filter)));

    expect(reserved.map(({ reservedMicroUsd }) => reservedMicroUsd)).toEqual([111, 11, 110, 110, 10]);
  });

  it("says at once what many tasks have spent, each from an instant of its own on, in their order", async () => {
    await current().money.reserve(reservation("m1", { taskId: "t1", amountMicroUsd: 10 }));
    await current().money.reserve(reservation("m2", { taskId: "t1", amountMicroUsd: 20, atMs: startAtMs + 5 }));
    await current().money.reserve(reservation("m3", { taskId: "t2", amountMicroUsd: 40 }));
    await current().money.reserve(reservation("m4", { taskId: "t3", amountMicroUsd: 80 }));
    await current().write([settleWrite("m1", 9, 1), settleWrite("m2", 18, 2), settleWrite("m3", 36, 4)]);
    const since = (taskId: string, sinceMs = 0) => ({ taskId, sinceMs });

    expect(await current().money.spentByTask([since("t2"), since("none"), since("t1"), since("t3"), since("t1", startAtMs + 5), since("t1", startAtMs + 6)])).toEqual(
      [[36, 4], [0, 0], [27, 3], [0, 0], [18, 2], [0, 0]].map(([spentMicroUsd, tokens]) => ({ spentMicroUsd, tokens })),
    );
    expect(await current().money.spentByTask([])).toEqual([]);
  });

  it("treats a settlement or release of what was never reserved as a bug of ours", async () => {
    await expect(current().write([settleWrite("nobody", 5)])).rejects.toThrow(/Longhaul bug: no money was reserved as nobody/);
    await expect(current().money.release("nobody")).rejects.toThrow(/Longhaul bug/);
  });
}

function testLost(current: () => Store): void {
  it("counts an earlier attempt of the same step as spent in full, because nobody knows whether it was billed", async () => {
    await current().money.reserve(reservation("r1/3/1", { stepKey: "r1/3", amountMicroUsd: 400 }));

    expect(await current().money.reserve(reservation("r1/3/2", { stepKey: "r1/3", amountMicroUsd: 400 }))).toEqual({ ok: true });
    expect(await current().money.spent({})).toMatchObject({ spentMicroUsd: 400, reservedMicroUsd: 400 });
    expect(await current().money.reserve(reservation("r1/3/3", { stepKey: "r1/3", amountMicroUsd: 400 }))).toMatchObject({ ok: false, usedMicroUsd: 800 });
    expect(await current().money.spent({})).toMatchObject({ spentMicroUsd: 800, reservedMicroUsd: 0 });
  });

  it("corrects a lost reservation when its real cost is told after all", async () => {
    await current().money.reserve(reservation("a1", { stepKey: "s" }));
    await current().money.reserve(reservation("a2", { stepKey: "s" }));

    await current().write([settleWrite("a1", 30)]);

    expect(await current().money.spent({})).toMatchObject({ spentMicroUsd: 30, reservedMicroUsd: 100 });
  });

  it("loses what a task had set aside when it leaves its slot, and nothing of others", async () => {
    await current().money.reserve(reservation("m1", { amountMicroUsd: 100 }));
    await current().money.reserve(reservation("m2", { amountMicroUsd: 200 }));
    await current().money.reserve(reservation("m3", { amountMicroUsd: 50, taskId: "t2" }));
    await current().write([settleWrite("m1", 10)]);

    await current().write([{ type: "task.left", taskId: "t1" }]);
    await current().write([{ type: "task.left", taskId: "t1" }]);

    expect(await current().money.spent({ taskId: "t1" })).toMatchObject({ spentMicroUsd: 210, reservedMicroUsd: 0 });
    expect(await current().money.spent({ taskId: "t2" })).toMatchObject({ spentMicroUsd: 0, reservedMicroUsd: 50 });
  });

  it("frees what is released, and lets the same call reserve again", async () => {
    await current().money.reserve(reservation("m1", { amountMicroUsd: 1_000 }));
    await current().money.release("m1");
    await current().money.release("m1");

    expect(await current().money.spent({})).toEqual({ spentMicroUsd: 0, reservedMicroUsd: 0, tokens: 0 });
    expect(await current().money.reserve(reservation("m1", { amountMicroUsd: 1_000 }))).toEqual({ ok: true });
    expect(await current().money.reserve(reservation("m2", { amountMicroUsd: 1 }))).toMatchObject({ ok: false });
  });

  it("does not give back what was settled", async () => {
    await current().money.reserve(reservation("m1"));
    await current().write([settleWrite("m1", 60)]);

    await current().money.release("m1");
    await current().write([settleWrite("m1", 1)]);

    expect(await current().money.spent({})).toMatchObject({ spentMicroUsd: 60 });
  });
}
