import type { MatchLogic, PriceCalculation, Usage as ListedUsage } from "@pydantic/genai-prices";
import type { ModelPrice } from "./model-price.ts";
import type { PricedUsage } from "./usage.ts";

/**
 * The listed price of "provider/model", or null when the list does not hold exactly this model. The list is loaded on first use and never fetched.
 * `nowMs` only decides whether the model is listed at all.
 */
export async function loadPrice(reference: string, nowMs: number): Promise<ModelPrice | null> {
  const { calcPrice } = await import("@pydantic/genai-prices");
  const slash = reference.indexOf("/");
  const providerId = reference.slice(0, slash);
  const model = reference.slice(slash + 1);
  const calculate = (usage: ListedUsage, atMs: number): PriceCalculation | null => {
    const found = calcPrice(usage, model, { providerId, timestamp: new Date(atMs) });
    return found !== null && isSameModel(model, found.model.id, found.model.match) ? found : null;
  };
  if (slash <= 0 || model === "" || calculate({ input_tokens: 1, output_tokens: 1 }, nowMs) === null) return null;
  const microUsd = (usage: ListedUsage, atMs: number): number => (calculate(usage, atMs)?.total_price ?? 0) * 1_000_000;
  return {
    costMicroUsd: (usage, atMs) => Math.round(microUsd(toListed(usage), atMs)),
    upperBoundMicroUsd(inputTokens, outputTokens, atMs) {
      const plain = { input_tokens: inputTokens, output_tokens: outputTokens };
      // Writing the cache costs more than plain input at some providers.
      return Math.ceil(Math.max(microUsd(plain, atMs), microUsd({ ...plain, cache_write_tokens: inputTokens }, atMs)));
    },
  };
}

function toListed(usage: PricedUsage): ListedUsage {
  const { cacheWriteHourTokens = 0 } = usage;
  return {
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    ...(usage.cacheReadTokens > 0 && { cache_read_tokens: usage.cacheReadTokens }),
    ...(usage.cacheWriteTokens > 0 && { cache_write_tokens: usage.cacheWriteTokens }),
    ...(cacheWriteHourTokens > 0 && { cache_write_1h_tokens: cacheWriteHourTokens }),
  };
}

/**
 * The list finds models by the beginning of their name, so that claude-sonnet-5-5 would be sold as claude-sonnet-5. A listed model counts only
 * when it names the wanted one in full, or when the two differ by nothing but a date or "latest".
 */
export function isSameModel(wanted: string, listedId: string, match: MatchLogic): boolean {
  return withoutVersion(wanted) === withoutVersion(listedId) || namesInFull(match, wanted);
}

function withoutVersion(model: string): string {
  return model.toLowerCase().replace(/(?:-latest|[-@]\d{8}|-\d{4}-\d{2}-\d{2}|-v\d+:\d+)$/, "");
}

function namesInFull(match: MatchLogic, wanted: string): boolean {
  if ("or" in match) return match.or.some((part) => namesInFull(part, wanted));
  if ("equals" in match) return withoutVersion(match.equals) === withoutVersion(wanted);
  if ("starts_with" in match) return withoutVersion(match.starts_with) === withoutVersion(wanted);
  if ("regex" in match) return match.regex.startsWith("^") && match.regex.endsWith("$") && new RegExp(match.regex, "i").test(wanted);
  return false;
}
