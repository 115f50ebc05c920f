import { expect, test } from "vitest";
import { integerBetween, seededRandom } from "../base/random.ts";
import { noUsage } from "../record/usage.ts";
import { fixedPrice, inputTokensMax } from "./model-price.ts";
import { isSameModel, loadPrice } from "./price.ts";

const nowMs = Date.UTC(2026, 10, 1);

async function cost(reference: string, usage: Partial<typeof noUsage> & { cacheWriteHourTokens?: number }): Promise<number | undefined> {
  return (await loadPrice(reference, nowMs))?.costMicroUsd({ ...noUsage, ...usage }, nowMs);
}

test("the price is that of the model, with and without a date in its name", async () => {
  expect(await cost("anthropic/claude-opus-5-5", { inputTokens: 1_000_000 })).toBe(4_000_000);
  expect(await cost("anthropic/claude-opus-4-1-20250805", { outputTokens: 1000 })).toBe(75_000);
  expect(await cost("anthropic/claude-sonnet-4-20250514", { inputTokens: 1000 })).toBe(3000);
  expect(await cost("anthropic/claude-3.5-haiku", { outputTokens: 1000 })).toBe(4000);
  expect(await cost("openai/gpt-5.2-2025-12-11", { inputTokens: 1_000_000, outputTokens: 1_000_000 })).toBe(15_750_000);
});

test("a model that the list knows only by the beginning of its name has no price", async () => {
  expect(await loadPrice("anthropic/claude-sonnet-5-99", nowMs)).toBeNull();
  expect(await loadPrice("anthropic/claude-opus-4-1-turbo", nowMs)).toBeNull();
  expect(isSameModel("claude-sonnet-5-5", "claude-sonnet-5", { or: [{ starts_with: "claude-sonnet-5" }] })).toBe(false);
  expect(isSameModel("claude-sonnet-5-20260203", "claude-sonnet-5", { or: [{ starts_with: "claude-sonnet-5" }] })).toBe(true);
  expect(isSameModel("gpt-5.2-chat-latest", "gpt-5.2", { or: [{ equals: "gpt-5.2" }, { equals: "gpt-5.2-chat-latest" }] })).toBe(true);
});

test.each(["openai/ft:gpt-4o:acme", "ollama/llama3", "no-slash", "anthropic/", "/x"])("%s has no price", async (reference) => {
  expect(await loadPrice(reference, nowMs)).toBeNull();
});

test("tokens of the cache have their own price", async () => {
  const usage = { inputTokens: 1_000_000, cacheReadTokens: 500_000, cacheWriteTokens: 100_000 };

  expect(await cost("anthropic/claude-opus-5-5", usage)).toBe(400_000 * 4 + 500_000 * 0.2 + 100_000 * 5);
  expect(await cost("anthropic/claude-opus-5-5", { ...usage, cacheWriteHourTokens: 100_000 })).toBe(400_000 * 4 + 500_000 * 0.2 + 100_000 * 8);
});

test("the upper bound is not passed by any use of these tokens", async () => {
  const seed = "price-bound-1";
  const random = seededRandom(seed);
  for (const reference of ["anthropic/claude-opus-5-5", "anthropic/claude-sonnet-4-5", "openai/gpt-5.2", "openai/gpt-6-astra"]) {
    const price = await loadPrice(reference, nowMs);
    for (let round = 0; round < 100; round++) {
      const inputTokens = integerBetween(random, 0, 400_000);
      const cacheReadTokens = integerBetween(random, 0, inputTokens);
      const cacheWriteTokens = integerBetween(random, 0, inputTokens - cacheReadTokens);
      const outputTokens = integerBetween(random, 0, 20_000);
      const spent = price?.costMicroUsd({ ...noUsage, inputTokens, cacheReadTokens, cacheWriteTokens, outputTokens }, nowMs) ?? Number.NaN;
      expect(price?.upperBoundMicroUsd(inputTokens, 20_000, nowMs), `seed ${seed}, ${reference}, round ${round}`).toBeGreaterThanOrEqual(spent);
    }
  }
});

test("a declared price counts as the listed ones do", () => {
  const price = fixedPrice({ input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 });

  expect(price.costMicroUsd({ ...noUsage, inputTokens: 1000, cacheReadTokens: 400, cacheWriteTokens: 200, outputTokens: 10 }, nowMs)).toBe(400 * 3 + 400 * 0.3 + 200 * 3.75 + 150);
  expect(price.upperBoundMicroUsd(1000, 10, nowMs)).toBe(1000 * 3.75 + 150);
  expect(() => fixedPrice({ input: -1, output: 1 })).toThrow("The price input is -1");
});

test("a prompt is counted above what tokenizers make of it", () => {
  const tokensOf = (text: string) => inputTokensMax([{ role: "user", text }]);

  expect(tokensOf("a".repeat(3000))).toBe(1008);
  // Texts with their tokens by OpenAI's o200k tokenizer, measured once.
  expect(tokensOf("The quick brown fox jumps over the lazy dog.")).toBeGreaterThan(10);
  expect(tokensOf("研究公司并引用来源。")).toBeGreaterThan(12);
  const tools = [{ name: "add", description: "Adds.", inputSchema: { type: "object" } }];
  expect(inputTokensMax([{ role: "system", text: "", tools }])).toBeGreaterThan(800);
  expect(inputTokensMax([{ role: "assistant", parts: [{ type: "tool-call", callId: "c", toolName: "t", input: "x".repeat(300) }] }, { role: "tool", results: [{ type: "tool-result", callId: "c", toolName: "t", isError: false, value: "y".repeat(300) }] }])).toBeGreaterThan(200);
});
