import type { LanguageModelV4Usage } from "@ai-sdk/provider";
import { isJsonObject } from "../base/json.ts";
import type { Usage } from "../record/usage.ts";

/** Usage with what only the price needs. */
export interface PricedUsage extends Usage {
  /** The part of `cacheWriteTokens` that is kept for an hour, which costs more. */
  readonly cacheWriteHourTokens?: number;
}

/** Characters of text that stand for one token where a provider reports no usage. */
const charactersPerToken = 4;

const uncounted = { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined, text: undefined, reasoning: undefined };

/** True when a provider reports no tokens: nothing, or zero of everything. */
export function isUncountedUsage({ inputTokens, outputTokens }: LanguageModelV4Usage): boolean {
  const { total, noCache, cacheRead, cacheWrite } = inputTokens;
  return [total, noCache, cacheRead, cacheWrite, outputTokens.total, outputTokens.text, outputTokens.reasoning].every((tokens) => (count(tokens) ?? 0) === 0);
}

/**
 * Our usage of a provider's. A provider that reports nothing is counted by characters: a budget that sees zero would never stop.
 */
export function toUsage(usage: LanguageModelV4Usage, promptCharacters: () => number, answerCharacters: () => number): PricedUsage {
  const isUncounted = isUncountedUsage(usage);
  const input = isUncounted ? uncounted : usage.inputTokens;
  const output = isUncounted ? uncounted : usage.outputTokens;
  const cacheReadTokens = count(input.cacheRead) ?? 0;
  const cacheWriteTokens = count(input.cacheWrite) ?? 0;
  const uncached = count(input.noCache);
  const inputSum = uncached === undefined ? undefined : uncached + cacheReadTokens + cacheWriteTokens;
  const reasoningTokens = count(output.reasoning) ?? 0;
  const text = count(output.text);
  return {
    inputTokens: count(input.total) ?? inputSum ?? Math.ceil(promptCharacters() / charactersPerToken),
    outputTokens: count(output.total) ?? (text === undefined ? Math.ceil(answerCharacters() / charactersPerToken) : text + reasoningTokens),
    cacheReadTokens,
    cacheWriteTokens,
    reasoningTokens,
    cacheWriteHourTokens: hourTokens(usage),
  };
}

/** Anthropic alone tells them apart, in its raw usage. */
function hourTokens(usage: LanguageModelV4Usage): number {
  const creation: unknown = usage.raw?.["cache_creation"];
  const tokens: unknown = isJsonObject(creation) ? creation["ephemeral_1h_input_tokens"] : undefined;
  return typeof tokens === "number" ? (count(tokens) ?? 0) : 0;
}

function count(tokens: number | undefined): number | undefined {
  return tokens !== undefined && Number.isFinite(tokens) && tokens >= 0 ? Math.round(tokens) : undefined;
}
