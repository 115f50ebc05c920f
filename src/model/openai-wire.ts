import type { LanguageModelV4 } from "@ai-sdk/provider";
import { placeholderKey, type WireOptions } from "./endpoint.ts";

/** A model that speaks OpenAI's Responses API. The library is loaded on first use. */
export async function openaiModel(model: string, { baseUrl, headers, fetch }: WireOptions): Promise<LanguageModelV4> {
  const { createOpenAI } = await import("@ai-sdk/openai");
  return createOpenAI({ baseURL: baseUrl, apiKey: placeholderKey, headers: { ...headers }, fetch }).languageModel(model);
}
