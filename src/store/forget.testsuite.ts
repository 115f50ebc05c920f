import { expect, it } from "vitest";
import { type LogRecord, toLogRecord, type RecordFields } from "../record/log-record.ts";
import type { Write } from "../record/write.ts";
import { reservation, settleWrite } from "./money.testsuite.ts";
import { outboxWrite } from "./outbox.testsuite.ts";
import type { ForgetBefore, Store } from "./store.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** A Thursday, on which a week of records begins. */
const startAtMs = Date.UTC(2026, 0, 15);

function record(id: string, atMs: number, fields: Partial<RecordFields> = {}): Write & { readonly record: LogRecord } {
  return { type: "record", record: toLogRecord(id, atMs, "team", { event_type: "task", ...fields }) };
}

/** Forgets all that is past its time. Returns how many rows went. */
async function forgetAll(store: Store, before: Partial<ForgetBefore>): Promise<number> {
  let rows = 0;
  for (let went = 1; went > 0; rows += went) went = await store.forget({ recordsMs: 0, rollupsMs: 0, keysMs: 0, ...before }, 2);
  return rows;
}

/** What every store forgets, and what it keeps. */
export function testForgetting(current: () => Store): void {
  it("forgets records that are older, a few at a time, and never the newest", async () => {
    const store = current();
    await store.write([...[1, 2, 3, 4].map((day) => record(`old ${day}`, startAtMs + day * hourMs)), record("new", startAtMs + 40 * dayMs)]);

    expect(await forgetAll(store, { recordsMs: startAtMs + 39 * dayMs })).toBeGreaterThan(0);
    expect((await store.records.query({})).map(({ record: { id } }) => id)).toEqual(["new"]);
    expect(await forgetAll(store, { recordsMs: startAtMs + 39 * dayMs })).toBe(0);
  });

  it("forgets what is older though the clock was years ahead for a while before, and once more in between", async () => {
    const store = current();
    const ahead = (id: string) => record(id, startAtMs + 1_000 * dayMs, { event_type: "model_call", agent_id: "research" });
    await store.write([...["a1", "a2", "a3"].map(ahead), record("old 1", startAtMs + 1), record("old 2", startAtMs + 2, { event_type: "run" }), ...["a4", "a5", "a6"].map(ahead), record("old 3", startAtMs + 3), record("new", startAtMs + 40 * dayMs)]);
    const notifications = [outboxWrite("ahead", startAtMs + 1_000 * dayMs), outboxWrite("sent", startAtMs)];
    await store.write(notifications);
    for (const id of ["ahead", "sent"]) await store.outbox.delivered(id, startAtMs + 1);

    await forgetAll(store, { recordsMs: startAtMs + 39 * dayMs });

    expect((await store.records.query({})).map(({ record: { id } }) => id).toSorted()).toEqual(["a1", "a2", "a3", "a4", "a5", "a6", "new"]);
    // What is still known is not taken a second time.
    await store.write(notifications);
    expect((await store.outbox.due(startAtMs + 2_000 * dayMs)).map(({ id }) => id)).toEqual(["sent"]);
  });

  it("keeps the newest record though it is the oldest by its time, and forgets the others", async () => {
    const store = current();
    await store.write([record("old", startAtMs + 2), record("ahead", startAtMs + 40 * dayMs), record("set back", startAtMs + 1)]);

    await forgetAll(store, { recordsMs: startAtMs + 39 * dayMs });

    expect((await store.records.query({})).map(({ record: { id } }) => id)).not.toContain("old");
    expect((await store.records.query({})).map(({ record: { id } }) => id)).toContain("ahead");
  });

  it("keeps what agents used by the hour, each call once, until that is past its time too", async () => {
    const store = current();
    const call = (id: string, atMs: number, fields: Partial<RecordFields> = {}) => record(id, atMs, { event_type: "model_call", agent_id: "research", result: "success", tokens_used: 100, cost_micro_usd: 7, ...fields });
    await store.write([
      call("c1", startAtMs + 1), call("c2", startAtMs + 2), call("c3", startAtMs + hourMs), record("t1", startAtMs + 3, { event_type: "tool_call", agent_id: "research", result: "error" }),
      record("r", startAtMs, { event_type: "run", agent_id: "research", tokens_used: 300 }), call("new", startAtMs + 40 * dayMs, { agent_id: "other" }),
    ]);
    const usage = () => store.records.usageByAgent({ sinceMs: startAtMs, untilMs: startAtMs + 50 * dayMs });
    const before = await usage();
    expect(before).toEqual([
      { agent: "other", modelCalls: 1, toolCalls: 0, toolErrors: 0, tokens: 100, costMicroUsd: 7 },
      { agent: "research", modelCalls: 3, toolCalls: 1, toolErrors: 1, tokens: 300, costMicroUsd: 21 },
    ]);

    await forgetAll(store, { recordsMs: startAtMs + 39 * dayMs });
    expect(await store.records.query({ agent: "research" })).toEqual([]);
    expect(await usage()).toEqual(before);
    expect(await store.records.usageByAgent({ sinceMs: startAtMs + hourMs, untilMs: startAtMs + 2 * hourMs })).toMatchObject([{ agent: "research", modelCalls: 1 }]);

    await forgetAll(store, { recordsMs: startAtMs + 39 * dayMs, rollupsMs: startAtMs + 39 * dayMs });
    expect(await usage()).toMatchObject([{ agent: "other" }]);
  });

  it("forgets keys that have expired, and no other", async () => {
    const store = current();
    const claim = (key: string, taskId: string, atMs: number, expiresAtMs: number): Write => ({ type: "key.claim", key, taskId, atMs, expiresAtMs });
    await store.write([claim("over", "t1", startAtMs, startAtMs + hourMs), claim("held", "t2", startAtMs, startAtMs + dayMs)]);

    expect(await forgetAll(store, { keysMs: startAtMs + hourMs })).toBe(1);
    expect([await store.keys.heldBy("t1"), await store.keys.heldBy("t2")]).toEqual([null, "held"]);
    await expect(store.write([claim("held", "t3", startAtMs + hourMs, startAtMs + dayMs)])).rejects.toMatchObject({ code: "TASK_KEY_TAKEN" });
  });

  it("forgets what calls cost when their task is forgotten, not before, and keeps the day's total", async () => {
    const store = current();
    const money = { ...reservation("m1"), atMs: startAtMs, taskId: "t1", agent: "research", amountMicroUsd: 100, perDayMicroUsd: 150, perTaskMicroUsd: 1_000 };
    await store.money.reserve(money);
    await store.write([settleWrite("m1", 70, 5)]);

    expect(await forgetAll(store, { recordsMs: startAtMs + dayMs })).toBe(0);
    expect(await store.money.spent({ taskId: "t1" })).toMatchObject({ spentMicroUsd: 70 });

    await store.write([{ type: "task.forgotten", taskId: "t1", runIds: ["r1"], isWhole: true }]);
    expect(await store.money.spent({ taskId: "t1" }), "its time is that of records").toMatchObject({ spentMicroUsd: 70 });
    expect(await forgetAll(store, { recordsMs: startAtMs + dayMs })).toBe(1);
    expect(await store.money.spent({ taskId: "t1" })).toMatchObject({ spentMicroUsd: 0 });
    expect(await store.money.reserve({ ...money, id: "m2", stepKey: "s2", taskId: "t2" })).toMatchObject({ ok: false, limit: "day", usedMicroUsd: 70 });

    await forgetAll(store, { rollupsMs: startAtMs + dayMs });
    expect(await store.money.reserve({ ...money, id: "m3", stepKey: "s3", taskId: "t3" })).toEqual({ ok: true });
  });

  it("forgets the effects of runs that are forgotten, and those of no other", async () => {
    const store = current();
    const intend = (runId: string) => store.effects.intend({ key: `${runId}/tool/send/1`, fence: 1, toolName: "send", taskId: "t1", runId, atMs: startAtMs });
    await Promise.all(["r1", "r10", "r2"].map(intend));
    await store.write([{ type: "effect.complete", key: "r1/tool/other/1", result: 1 }]);

    await store.write([{ type: "task.forgotten", taskId: "t1", runIds: ["r1"], isWhole: false }]);

    expect(await Promise.all(["r1/tool/send/1", "r1/tool/other/1", "r10/tool/send/1", "r2/tool/send/1"].map((key) => store.effects.isIntended(key)))).toEqual([false, false, true, true]);
  });

  it("forgets notifications that were delivered or given up, and none that waits", async () => {
    const store = current();
    await store.write([outboxWrite("sent", startAtMs), outboxWrite("waits", startAtMs)]);
    await store.outbox.delivered("sent", startAtMs + 1);

    expect(await forgetAll(store, { recordsMs: startAtMs + dayMs })).toBe(1);
    expect((await store.outbox.due(startAtMs + 1)).map(({ id }) => id)).toEqual(["waits"]);
  });
}
