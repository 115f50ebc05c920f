import { LonghaulError } from "../base/error.ts";
import type { Message } from "../record/message.ts";
import type { PricedUsage } from "./usage.ts";

/** What a model costs. Amounts are millionths of a dollar. */
export interface ModelPrice {
  /** What was really used. `atMs` matters where a price changes by date or hour. */
  costMicroUsd(usage: PricedUsage, atMs: number): number;
  /** The most that this many tokens can cost: nothing of the prompt is read from the cache. */
  upperBoundMicroUsd(inputTokens: number, outputTokens: number, atMs: number): number;
}

/** Dollars per million tokens. */
export interface TokenPrices {
  readonly input: number;
  readonly output: number;
  /** Default: the price of input. */
  readonly cacheRead?: number;
  /** Default: the price of input. */
  readonly cacheWrite?: number;
}

/**
 * A price that is declared: for a model that the price list does not know.
 * @throws {OPTION_INVALID}
 */
export function fixedPrice(prices: TokenPrices): ModelPrice {
  for (const [name, dollars] of Object.entries(prices)) {
    if (typeof dollars !== "number" || !Number.isFinite(dollars) || dollars < 0) {
      throw new LonghaulError("OPTION_INVALID", `The price ${name} is ${String(dollars)}. Use dollars per million tokens, 0 or more.`);
    }
  }
  const { input, output, cacheRead = input, cacheWrite = input } = prices;
  // Dollars per million tokens are millionths of a dollar per token.
  return {
    costMicroUsd: (usage) => {
      const uncached = Math.max(0, usage.inputTokens - usage.cacheReadTokens - usage.cacheWriteTokens);
      return Math.round(uncached * input + usage.cacheReadTokens * cacheRead + usage.cacheWriteTokens * cacheWrite + usage.outputTokens * output);
    },
    upperBoundMicroUsd: (inputTokens, outputTokens) => Math.ceil(inputTokens * Math.max(input, cacheRead, cacheWrite) + outputTokens * output),
  };
}

/** Nothing is charged. */
export const freePrice: ModelPrice = { costMicroUsd: () => 0, upperBoundMicroUsd: () => 0 };

/** What each message and each tool costs beside its text, and what a provider adds for the use of tools. */
const messageTokens = 8;
const toolTokens = 16;
const toolPreambleTokens = 800;

/** More tokens than a prompt has, without a tokenizer: words at 3 characters a token, digits and signs at 2, other scripts at 2 bytes. */
export function inputTokensMax(messages: readonly Message[]): number {
  let tokens = 0;
  for (const message of messages) {
    tokens += messageTokens;
    switch (message.role) {
      case "user":
        tokens += textTokensMax(message.text);
        break;
      case "system":
        tokens += textTokensMax(message.text) + (message.tools.length > 0 ? toolPreambleTokens : 0);
        for (const tool of message.tools) tokens += toolTokens + textTokensMax(JSON.stringify(tool));
        break;
      case "assistant":
        for (const part of message.parts) tokens += messageTokens + textTokensMax(part.type === "tool-call" ? JSON.stringify(part) : part.text) + textTokensMax(JSON.stringify(part.providerOptions ?? ""));
        break;
      case "tool":
        for (const result of message.results) tokens += messageTokens + textTokensMax(JSON.stringify(result));
        break;
    }
  }
  return Math.ceil(tokens);
}

function textTokensMax(text: string): number {
  let sixths = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code >= 0x80) sixths += code < 0x8_00 ? 6 : 9;
    else sixths += isWordOrSpace(code) ? 2 : 3;
  }
  return sixths / 6;
}

function isWordOrSpace(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 32;
}
