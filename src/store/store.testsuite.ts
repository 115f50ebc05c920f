import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { seededRandom } from "../base/random.ts";
import { type LogRecord, toLogRecord, type RecordFields } from "../record/log-record.ts";
import type { Message } from "../record/message.ts";
import type { Write } from "../record/write.ts";
import { testForgetting } from "./forget.testsuite.ts";
import { testLeases } from "./lease.testsuite.ts";
import { testNamedValues } from "./meta.testsuite.ts";
import { reservation, settleWrite, testMoney } from "./money.testsuite.ts";
import { outboxWrite, testOutbox } from "./outbox.testsuite.ts";
import type { RecordFilter, Store } from "./store.ts";

export interface StoreSuiteOptions {
  /** Makes an empty store. */
  readonly create: () => Store | Promise<Store>;
  /** Frees what `create` made, after the store was closed. */
  readonly destroy: (store: Store) => void | Promise<void>;
}

const startAtMs = Date.UTC(2026, 0, 15, 10, 23, 45, 120);
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** The contract of the port: every adapter passes it. */
export function testStore({ create, destroy }: StoreSuiteOptions): void {
  let store: Store;
  beforeEach(async () => {
    store = await create();
  });
  afterEach(async () => {
    await store.close();
    await destroy(store);
  });
  const current = (): Store => store;
  describe("S1 a write is idempotent by its id", () => {
    testIdempotence(current);
  });
  describe("S2 a key belongs to one task until it expires", () => {
    testKeys(current);
  });
  describe("S3 reserved plus spent never passes a limit", () => {
    testMoney(current);
  });
  describe("S4 an intent is made once", () => {
    testEffects(current);
  });
  describe("S5 records come back in order", () => {
    testRecords(current);
  });
  describe("S6 an outbox entry is delivered or visibly failed", () => {
    testOutbox(current);
  });
  describe("S7 a lease has one holder", () => {
    testLeases(current);
  });
  describe("S8 what is past its time is forgotten", () => {
    testForgetting(current);
  });
  describe("progress", () => {
    testProgress(current);
  });
  describe("transcripts, triggers and named values", () => {
    testValues(current);
    testNamedValues(current);
  });
}

function recordWrite(id: string, fields: Partial<RecordFields> = {}, atMs = startAtMs): Write & { readonly record: LogRecord } {
  return { type: "record", record: toLogRecord(id, atMs, "team", { event_type: "task", ...fields }) };
}

function claimWrite(taskId: string, atMs: number, expiresAtMs: number): Write {
  return { type: "key.claim", key: "order/7", taskId, atMs, expiresAtMs };
}

function progressWrite(id: string, outputHash: string | null, atMs = startAtMs): Write {
  return { type: "progress", id, agent: "research", atMs, what: "verified", outputHash };
}

const intent = { fence: 1, key: "r1/tool/send/1", toolName: "send", taskId: "t1", runId: "r1", atMs: startAtMs };

async function idsOf(store: Store, filter: RecordFilter): Promise<readonly string[]> {
  return (await store.records.query(filter)).map(({ record }) => record.id);
}

async function countOf(store: Store): Promise<number | undefined> {
  return (await store.progress.all()).find(({ agent }) => agent === "research")?.count;
}

function testIdempotence(current: () => Store): void {
  it("keeps one of each write that is applied twice", async () => {
    const store = current();
    await store.money.reserve(reservation("m1"));
    const writes: readonly Write[] = [
      recordWrite("x1"), claimWrite("t1", startAtMs, startAtMs + hourMs), settleWrite("m1", 70, 5), progressWrite("p1", null), outboxWrite("o1", startAtMs),
      { type: "message", id: "h1", parentId: null, content: { role: "user", text: "hello" } }, { type: "effect.complete", key: "e1", result: 1 },
      { type: "trigger.state", triggerId: "every(15m)", state: { nextAtMs: 5 } },
    ];

    await store.write(writes);
    await store.write(writes);

    expect(await idsOf(store, {})).toEqual(["x1"]);
    expect(await store.money.spent({})).toEqual({ spentMicroUsd: 70, reservedMicroUsd: 0, tokens: 5 });
    expect(await countOf(store)).toBe(1);
    expect(await store.outbox.due(startAtMs)).toHaveLength(1);
    expect(await store.messages.transcript("h1")).toHaveLength(1);
  });

  it("applies all writes of one call or none", async () => {
    const store = current();
    await store.write([claimWrite("t1", startAtMs, startAtMs + hourMs)]);

    await expect(store.write([recordWrite("x1"), claimWrite("t2", startAtMs, startAtMs + hourMs), recordWrite("x2")])).rejects.toMatchObject({ code: "TASK_KEY_TAKEN" });

    expect(await store.records.query({})).toEqual([]);
  });
}

function testKeys(current: () => Store): void {
  it("refuses another task and names the one that holds the key", async () => {
    await current().write([claimWrite("t1", startAtMs, startAtMs + hourMs)]);

    await expect(current().write([claimWrite("t2", startAtMs + hourMs - 1, startAtMs + 9 * hourMs)])).rejects.toMatchObject({ code: "TASK_KEY_TAKEN", details: { taskId: "t1" } });
  });

  it("gives an expired key to the next task, which then holds it", async () => {
    await current().write([claimWrite("t1", startAtMs, startAtMs + hourMs)]);
    await current().write([claimWrite("t2", startAtMs + hourMs, startAtMs + 2 * hourMs)]);

    await expect(current().write([claimWrite("t1", startAtMs + hourMs, startAtMs + 2 * hourMs)])).rejects.toMatchObject({ details: { taskId: "t2" } });
  });

  it("lets the holder claim again without shortening its time", async () => {
    await current().write([claimWrite("t1", startAtMs, startAtMs + hourMs)]);
    await current().write([claimWrite("t1", startAtMs + 1, startAtMs + 2)]);

    await expect(current().write([claimWrite("t2", startAtMs + 3, startAtMs + hourMs)])).rejects.toMatchObject({ details: { taskId: "t1" } });
  });

  it("goes to exactly one of many tasks that claim it at once", async () => {
    const claims = Array.from({ length: 20 }, (_, index) => current().write([claimWrite(`t${index}`, startAtMs, startAtMs + hourMs)]));

    const ends = await Promise.allSettled(claims);

    expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });
}

function testEffects(current: () => Store): void {
  it("lets exactly one of many make the intent and tells the others since when it is unknown", async () => {
    const states = await Promise.all(Array.from({ length: 10 }, (_, index) => current().effects.intend({ ...intent, atMs: startAtMs + index })));

    const winner = states.findIndex(({ state }) => state === "intended-now");
    expect(states.toSpliced(winner, 1)).toEqual(Array.from({ length: 9 }, () => ({ state: "unknown", intendedAtMs: startAtMs + winner })));
  });

  it("answers with the result once the effect is completed, and the first result stays", async () => {
    await current().effects.intend(intent);
    await current().write([{ type: "effect.complete", key: intent.key, result: { sent: true } }]);
    await current().write([{ type: "effect.complete", key: intent.key, result: "another" }]);

    expect(await current().effects.intend(intent)).toEqual({ state: "completed", result: { sent: true } });
  });

  it("accepts a result without an intent, null among them", async () => {
    await current().write([{ type: "effect.complete", key: "seeded", result: null }]);

    expect(await current().effects.intend({ ...intent, key: "seeded" })).toEqual({ state: "completed", result: null });
  });

  it("says whether there is an intent, and makes none by it", async () => {
    expect(await current().effects.isIntended(intent.key)).toBe(false);
    await current().effects.intend(intent);
    expect(await current().effects.isIntended(intent.key)).toBe(true);
  });

  it("allows another attempt after a withdrawal, but not of what is completed", async () => {
    await current().effects.intend(intent);
    await current().effects.withdraw(intent.key);
    expect(await current().effects.intend(intent)).toEqual({ state: "intended-now" });

    await current().write([{ type: "effect.complete", key: intent.key, result: 1 }]);
    await current().effects.withdraw(intent.key);
    expect(await current().effects.intend(intent)).toEqual({ state: "completed", result: 1 });
  });
}

function testRecords(current: () => Store): void {
  it("gives back every field as it was written", async () => {
    const full = recordWrite("x1", {
      event_type: "tool_call", agent_id: "sourcing", agent_version: "9f2c1a", task_id: "t1", run_id: "r1", step: 7, attempt: 1, tool_name: "crunchbase_search",
      tool_args: { query: "AI startups", "ünï": [1, null, { deep: true }] }, result: "success", duration_ms: 234, tokens_used: 450, cost_micro_usd: 1_350, reason: "it's \"so\"",
      simulated: true, data: { finishReason: "stop" },
    });
    const empty = recordWrite("x2");

    await current().write([full, empty]);

    expect((await current().records.query({})).map(({ record }) => record)).toEqual([full.record, empty.record]);
  });

  it("keeps the order of writing even when the clock went back", async () => {
    await current().write([recordWrite("late", {}, startAtMs + hourMs)]);
    await current().write([recordWrite("early", {}, startAtMs)]);
    const [first, second] = await current().records.query({});

    expect([first?.record.id, second?.record.id]).toEqual(["late", "early"]);
    expect(second?.position).toBeGreaterThan(first?.position ?? Number.NaN);
  });

  it("takes the newest or the oldest, oldest first, and goes on after a position", async () => {
    await current().write(Array.from({ length: 150 }, (_, index) => recordWrite(`x${index}`)));
    const page = await current().records.query({ take: "oldest", limit: 3 });

    expect(await idsOf(current(), { limit: 2 })).toEqual(["x148", "x149"]);
    expect(page.map(({ record }) => record.id)).toEqual(["x0", "x1", "x2"]);
    expect(await idsOf(current(), { take: "oldest", limit: 2, afterPosition: page.at(-1)?.position ?? 0 })).toEqual(["x3", "x4"]);
    expect(await idsOf(current(), {})).toHaveLength(100);
    await expect(current().records.query({ limit: 10_001 })).rejects.toMatchObject({ code: "OPTION_INVALID" });
    await expect(current().records.query({ limit: 0 })).rejects.toMatchObject({ code: "OPTION_INVALID" });
  });

  it.each<[RecordFilter, readonly string[]]>([
    [{ agent: "a" }, ["x1", "x2", "x3"]],
    [{ taskId: "t2" }, ["x3", "x4"]],
    [{ runId: "r1" }, ["x1", "x2"]],
    [{ eventTypes: ["verify", "tool_call"] }, ["x2", "x3", "x4"]],
    [{ eventTypes: [] }, []],
    [{ toolName: "search" }, ["x2", "x3"]],
    [{ result: "error" }, ["x3"]],
    [{ sinceMs: startAtMs + 2 * minuteMs }, ["x2", "x3", "x4"]],
    [{ untilMs: startAtMs + 2 * minuteMs }, ["x1"]],
    [{ eventTypes: ["tool_call"], durationMsMin: 5_000, sinceMs: startAtMs, untilMs: startAtMs + hourMs }, ["x3"]],
    [{ agent: "a", runId: "r1", eventTypes: ["tool_call"], sinceMs: startAtMs }, ["x2"]],
  ])("filters by %j", async (filter, expected) => {
    await current().write([
      recordWrite("x1", { agent_id: "a", task_id: "t1", run_id: "r1", event_type: "model_call", duration_ms: 9_000 }, startAtMs + minuteMs),
      recordWrite("x2", { agent_id: "a", task_id: "t1", run_id: "r1", event_type: "tool_call", tool_name: "search", duration_ms: 4_999 }, startAtMs + 2 * minuteMs),
      recordWrite("x3", { agent_id: "a", task_id: "t2", run_id: "r2", event_type: "tool_call", tool_name: "search", duration_ms: 5_000, result: "error" }, startAtMs + 3 * minuteMs),
      recordWrite("x4", { agent_id: "b", task_id: "t2", run_id: "r3", event_type: "verify" }, startAtMs + 4 * minuteMs),
    ]);

    expect(await idsOf(current(), filter)).toEqual(expected);
  });

  it("takes what models and users name at any length", async () => {
    const random = seededRandom(1);
    const name = Array.from({ length: 9_000 }, () => String.fromCodePoint(33 + Math.floor(random.next() * 900))).join("");
    const claim: Write = { type: "key.claim", key: name, taskId: "t1", atMs: startAtMs, expiresAtMs: startAtMs + hourMs };
    await current().money.reserve(reservation(name, { stepKey: name }));
    await current().effects.intend({ ...intent, key: name });

    await current().write([claim, settleWrite(name, 5), recordWrite("x1", { event_type: "tool_call", tool_name: name, result: name }), { type: "effect.complete", key: name, result: name }]);

    expect(await current().records.query({ toolName: name, result: name })).toMatchObject([{ record: { tool_name: name } }]);
    expect(await current().records.query({ toolName: `${name}!` })).toEqual([]);
    expect(await current().effects.intend({ ...intent, key: name })).toEqual({ state: "completed", result: name });
    expect(await current().effects.intend({ ...intent, key: `${name}!` })).toEqual({ state: "intended-now" });
    await expect(current().write([{ ...claim, taskId: "t2" }])).rejects.toMatchObject({ code: "TASK_KEY_TAKEN" });
  });

  it("counts the calls, tokens and cost of each agent in a window, its end excluded", async () => {
    const call = { tokens_used: 100, cost_micro_usd: 7 };
    await current().write([
      recordWrite("x1", { agent_id: "b", event_type: "model_call", ...call }),
      recordWrite("x2", { agent_id: "a", event_type: "model_call", ...call }, startAtMs + 1),
      recordWrite("x3", { agent_id: "a", event_type: "tool_call", tool_name: "s", result: "error" }, startAtMs + 2),
      recordWrite("x4", { agent_id: "a", event_type: "tool_call", tool_name: "s", result: "success", tokens_used: 3 }, startAtMs + 3),
      recordWrite("x5", { agent_id: "a", event_type: "run", ...call }, startAtMs + 3),
      recordWrite("x6", { agent_id: "a", event_type: "model_call", ...call }, startAtMs + 4),
    ]);

    expect(await current().records.usageByAgent({ sinceMs: startAtMs, untilMs: startAtMs + 4 })).toEqual([
      { agent: "a", modelCalls: 1, toolCalls: 2, toolErrors: 1, tokens: 103, costMicroUsd: 7 },
      { agent: "b", modelCalls: 1, toolCalls: 0, toolErrors: 0, tokens: 100, costMicroUsd: 7 },
    ]);
  });

  it("counts all records by what happened, and hashes every field of them", async () => {
    const empty = await current().records.census();
    await current().write([
      recordWrite("x1", { event_type: "task", result: "done(verified)" }),
      recordWrite("x2", { event_type: "task", result: "done(unverified)" }),
      ...Array.from({ length: 2_500 }, (_, index) => recordWrite(`y${index}`, { event_type: "start" })),
    ]);
    const full = await current().records.census();
    await current().write([recordWrite("z", { event_type: "start", data: { a: 1 } })]);
    const more = await current().records.census();

    expect(empty).toMatchObject({ records: 0, counts: {} });
    expect(full).toMatchObject({ records: 2_502, counts: { start: 2_500, "task done": 2 } });
    expect(await current().records.census()).toEqual(more);
    expect(new Set([empty.hash, full.hash, more.hash]).size).toBe(3);
  });
}

function testProgress(current: () => Store): void {
  it("does not move for an output that equals the last one, and moves for each verified work", async () => {
    const counts: unknown[] = [];
    for (const [index, hash] of [null, "h1", "h1", null, "h1", "h2", "h1", null].entries()) {
      await current().write([progressWrite(`p${index}`, hash, startAtMs + index)]);
      counts.push(await countOf(current()));
    }

    expect(counts).toEqual([1, 2, 2, 3, 3, 4, 5, 6]);
    expect(await current().progress.all()).toEqual([{ agent: "research", count: 6, lastAtMs: startAtMs + 7, lastOutputHash: "h1", lastId: "p7" }]);
  });

  it("keeps the id of the last work that counted, not of the one that did not", async () => {
    await current().write([progressWrite("p1", "h1"), progressWrite("p2", "h1", startAtMs + 1)]);

    expect(await current().progress.all()).toMatchObject([{ count: 1, lastAtMs: startAtMs, lastId: "p1" }]);
  });
}

function testValues(current: () => Store): void {
  const system: Message = { role: "system", text: "Be brief.", tools: [] };

  it("reads a transcript from its end to its beginning; branches share what came before", async () => {
    await current().write([
      { type: "message", id: "m1", parentId: null, content: system as never },
      { type: "message", id: "m2", parentId: "m1", content: { role: "user", text: "one" } },
      { type: "message", id: "m3", parentId: "m1", content: { role: "user", text: "two" } },
    ]);

    expect(await current().messages.transcript("m2")).toEqual([system, { role: "user", text: "one" }]);
    expect(await current().messages.transcript("m3")).toEqual([system, { role: "user", text: "two" }]);
    expect(await current().messages.transcript("unknown")).toEqual([]);
  });

  it("remembers the last state of each trigger and the last value of each name", async () => {
    await current().write([{ type: "trigger.state", triggerId: "a", state: { at: 1 } }, { type: "trigger.state", triggerId: "b", state: {} }]);
    await current().write([{ type: "trigger.state", triggerId: "a", state: { at: 2 } }]);
    await current().meta.set("manifest", { agents: ["a"] });
    await current().meta.set("manifest", { agents: ["b"] });

    expect([...(await current().triggers.all())]).toEqual([["a", { at: 2 }], ["b", {}]]);
    expect(await current().meta.get("manifest")).toEqual({ agents: ["b"] });
    expect(await current().meta.get("unknown")).toBeNull();
  });
}
