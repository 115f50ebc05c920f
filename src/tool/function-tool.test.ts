import { describe, expect, test } from "vitest";
import { z } from "zod";
import { VirtualClock } from "../base/virtual-clock.ts";
import { functionTool, type FunctionToolSpec } from "./function-tool.ts";
import type { Reconciliation, Tool } from "./tool.ts";
import { callOptions, testTool } from "./tool.testsuite.ts";

const clock = new VirtualClock();

function toolOf(execute: FunctionToolSpec<z.ZodUnknown>["execute"], more: Partial<FunctionToolSpec<z.ZodUnknown>> = {}): Tool {
  return functionTool({ name: "lookup", description: "Looks up.", inputSchema: z.unknown(), effect: "read", execute, ...more }, { clock });
}

testTool({
  name: "functionTool",
  create: async () => {
    const own = new VirtualClock();
    const common = { description: "A tool.", effect: "read", timeoutMs: 5_000 } as const;
    return {
      clock: own,
      echo: functionTool({ ...common, name: "echo", inputSchema: z.object({ text: z.string() }), execute: ({ text }) => text }, { clock: own }),
      fails: functionTool({ ...common, name: "fails", inputSchema: z.object({}), execute: () => { throw new Error("the disk is full"); } }, { clock: own }),
      hangs: functionTool({ ...common, name: "hangs", inputSchema: z.object({}), execute: () => new Promise<never>(() => undefined) }, { clock: own }),
      huge: functionTool({ ...common, name: "huge", inputSchema: z.object({ bytes: z.number() }), execute: ({ bytes }) => "x".repeat(bytes) }, { clock: own }),
      hangLimitMs: 5_000,
      close: async () => undefined,
    };
  },
});

describe("functionTool", () => {
  test("names every wrong field, so that a model can mend its call", async () => {
    const tool = functionTool({ name: "book", description: "Books.", inputSchema: z.object({ seat: z.number(), date: z.object({ day: z.number() }) }), effect: "once", execute: () => "booked" }, { clock });

    const result = await tool.call({ seat: "A", date: { day: "x" } }, callOptions());

    expect(result).toEqual({ ok: false, kind: "invalid-input", message: expect.stringMatching(/book was not called.*seat: .*date\.day: .*Mend/) });
  });

  test("hands over the parsed input, the idempotency key and a signal", async () => {
    const seen: unknown[] = [];
    const tool = functionTool({
      name: "t", description: "", inputSchema: z.object({ n: z.coerce.number().default(3) }), effect: "read",
      execute: (input, { signal, idempotencyKey }) => { seen.push(input, signal.aborted, idempotencyKey); },
    }, { clock });

    expect(await tool.call({ n: "5" }, callOptions())).toEqual({ ok: true, value: null });
    expect(seen).toEqual([{ n: 5 }, false, "key-1"]);
  });

  test("tells the code that its time is up", async () => {
    const signals: AbortSignal[] = [];
    const tool = toolOf((_, { signal }) => new Promise<never>(() => void signals.push(signal)), { timeoutMs: 100 });
    const pending = tool.call({}, callOptions());
    await clock.advance(100);

    expect(await pending).toMatchObject({ kind: "timeout" });
    expect(signals[0]?.aborted).toBe(true);
  });

  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  test.each([
    ["a bigint", 1n], ["a nested bigint", { a: [1n] }], ["a cycle", cycle], ["a function", () => 1], ["a nested function", { f: () => 1 }], ["a symbol", Symbol("s")], ["NaN", Number.NaN],
    ["a toJSON that throws", { toJSON() { throw new Error("no"); } }],
  ])("%s is a not-json result that names the tool", async (_, value) => {
    expect(await toolOf(() => value).call({}, callOptions())).toEqual({ ok: false, kind: "not-json", message: expect.stringMatching(/tool lookup.*Return plain data/s) });
  });

  test.each([
    ["an error", new Error("boom"), "boom"],
    ["an error with a cause", new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED") }), "fetch failed: connect ECONNREFUSED"],
    ["an error without a message", new RangeError(""), "RangeError"],
    ["a text", "out of paper", "out of paper"],
    ["undefined", undefined, "undefined"],
    ["an object without a prototype that holds itself", Object.assign(Object.create(null), { cycle }), "cannot be read as text"],
    ["an error whose message throws", Object.defineProperty(new Error("x"), "message", { get() { throw new Error("y"); } }), "cannot be read as text"],
  ])("%s that is thrown is a failed result", async (_, thrown, text) => {
    const throwing = toolOf(() => { throw thrown as Error; });
    const rejecting = toolOf(() => Promise.reject(thrown as Error));

    expect(await throwing.call({}, callOptions())).toEqual({ ok: false, kind: "failed", message: expect.stringContaining(text) });
    expect(await rejecting.call({}, callOptions())).toEqual({ ok: false, kind: "failed", message: expect.stringContaining(text) });
  });

  test("a megabyte of error text is cut", async () => {
    const result = await toolOf(() => { throw new Error("x".repeat(1_000_000)); }).call({}, callOptions());

    expect(result.ok ? 0 : result.message.length).toBeLessThan(11_000);
  });

  test("a schema that never answers ends at the timeout", async () => {
    const hanging = { "~standard": { version: 1, vendor: "test", validate: () => new Promise<never>(() => undefined), jsonSchema: { input: () => ({ type: "object" }) } } } as const;
    const tool = functionTool({ name: "t", description: "", inputSchema: hanging, effect: "read", timeoutMs: 50, execute: () => 1 }, { clock });
    const pending = tool.call({}, callOptions());
    await clock.advance(50);

    expect(await pending).toMatchObject({ kind: "timeout" });
  });

  test("refuses a schema without JSON Schema and a timeout that is not above 0", () => {
    const bare = { "~standard": { version: 1, vendor: "test", validate: () => ({ value: 1 }) } } as const;

    expect(() => functionTool({ name: "t", description: "", inputSchema: bare, effect: "read", execute: () => 1 }, { clock })).toThrow(expect.objectContaining({ code: "OPTION_INVALID", message: expect.stringContaining("inputSchema of tool t") }));
    for (const timeoutMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) expect(() => toolOf(() => 1, { timeoutMs })).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
  });
});

describe("reconcile of a function tool", () => {
  test("is absent unless declared, and answers when it is", async () => {
    const happened: Reconciliation = { happened: true, value: { id: 7 } };

    expect("reconcile" in toolOf(() => 1)).toBe(false);
    expect(await toolOf(() => 1, { reconcile: () => happened }).reconcile?.({}, callOptions())).toEqual(happened);
  });

  test("a throw and a hang are errors, never an answer", async () => {
    const throwing = toolOf(() => 1, { reconcile: () => { throw new Error("no route"); } });
    const hanging = toolOf(() => 1, { reconcile: () => new Promise<never>(() => undefined), timeoutMs: 50 });

    await expect(throwing.reconcile?.({}, callOptions())).rejects.toMatchObject({ code: "TOOL_RECONCILE_FAILED", message: expect.stringContaining("no route") });
    const pending = hanging.reconcile?.({}, callOptions()).catch((error: unknown) => error);
    await clock.advance(50);
    expect(await pending).toMatchObject({ code: "TOOL_RECONCILE_FAILED" });
  });

  test("an input that was never valid did not happen", async () => {
    const tool = functionTool({ name: "t", description: "", inputSchema: z.object({ a: z.string() }), effect: "once", execute: () => 1, reconcile: () => ({ happened: "unknown" }) }, { clock });

    expect(await tool.reconcile?.({ a: 1 }, callOptions())).toEqual({ happened: false });
  });
});
