import type { LanguageModelV4 } from "@ai-sdk/provider";
import { placeholderKey, type WireOptions } from "./endpoint.ts";

/** A model that speaks Anthropic's Messages API. The library is loaded on first use. */
export async function anthropicModel(model: string, { baseUrl, headers, fetch }: WireOptions): Promise<LanguageModelV4> {
  const { createAnthropic } = await import("@ai-sdk/anthropic");
  return createAnthropic({ baseURL: baseUrl, apiKey: placeholderKey, headers: { ...headers }, fetch }).languageModel(model);
}
