import type { LanguageModelV4FinishReason, LanguageModelV4StreamPart, LanguageModelV4Usage } from "@ai-sdk/provider";
import type { ModelScenario } from "./model.testsuite.ts";

/** Parts of streams as providers send them, for the tests of this folder. */
export function usageOf(input: number, output: number, cacheRead = 0, cacheWrite = 0): LanguageModelV4Usage {
  return {
    inputTokens: { total: input, noCache: input - cacheRead - cacheWrite, cacheRead, cacheWrite },
    outputTokens: { total: output, text: output, reasoning: 0 },
  };
}

export function finishPart(unified: LanguageModelV4FinishReason["unified"], usage = usageOf(20, 5), raw?: string): LanguageModelV4StreamPart {
  return { type: "finish", finishReason: { unified, raw }, usage };
}

export function textParts(text: string, usage = usageOf(20, 5)): readonly LanguageModelV4StreamPart[] {
  return [...deltaParts(text), finishPart("stop", usage)];
}

export function partsOf(scenario: ModelScenario): readonly LanguageModelV4StreamPart[] {
  switch (scenario.answer) {
    case "text":
      return textParts(scenario.text);
    case "truncated":
      return [...deltaParts(scenario.text), finishPart("length")];
    case "refusal":
      return [finishPart("content-filter", usageOf(20, 0), "refusal")];
    case "tool-calls":
      return [
        ...scenario.calls.map(({ toolName, input }, index): LanguageModelV4StreamPart => ({ type: "tool-call", toolCallId: `c${index}`, toolName, input: JSON.stringify(input) })),
        finishPart("tool-calls"),
      ];
    default:
      return [];
  }
}

function deltaParts(text: string): readonly LanguageModelV4StreamPart[] {
  const half = Math.ceil(text.length / 2);
  return [
    { type: "stream-start", warnings: [] },
    { type: "text-start", id: "t" },
    { type: "text-delta", id: "t", delta: text.slice(0, half) },
    { type: "text-delta", id: "t", delta: text.slice(half) },
    { type: "text-end", id: "t" },
  ];
}
