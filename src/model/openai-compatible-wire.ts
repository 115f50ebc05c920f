import type { LanguageModelV4 } from "@ai-sdk/provider";
import type { WireOptions } from "./endpoint.ts";

/** A model that speaks the chat completions API, as Ollama, vLLM and most gateways do. The library is loaded on first use. */
export async function openaiCompatibleModel(model: string, { name, baseUrl, headers, fetch }: WireOptions): Promise<LanguageModelV4> {
  const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
  // Without includeUsage a stream reports no tokens, and no budget could be kept.
  return createOpenAICompatible({ name, baseURL: baseUrl, headers: { ...headers }, includeUsage: true, fetch }).languageModel(model);
}
