import type { LanguageModelV4FunctionTool, LanguageModelV4Message, LanguageModelV4Prompt, SharedV4ProviderOptions } from "@ai-sdk/provider";
import { isJsonObject, type Json, type JsonObject } from "../base/json.ts";
import type { AssistantMessage, Message, ToolResultPart, ToolSpec } from "../record/message.ts";
import { repairTranscript } from "./repair-transcript.ts";

type AssistantContent = Extract<LanguageModelV4Message, { role: "assistant" }>["content"][number];
type ToolContent = Extract<LanguageModelV4Message, { role: "tool" }>["content"][number];

/** The provider's prompt of a transcript. A transcript that a provider would refuse (dangling calls, orphaned results, empty texts) is repaired. */
export function toPrompt(messages: readonly Message[]): LanguageModelV4Prompt {
  const system = messages.flatMap((message) => (message.role === "system" && message.text !== "" ? [message.text] : []));
  const rest = repairTranscript(messages).flatMap((message) => toPromptMessage(message));
  return system.length === 0 ? rest : [{ role: "system", content: system.join("\n\n") }, ...rest];
}

/** The tools that the system message names; of two with one name the later counts. */
export function toPromptTools(messages: readonly Message[]): LanguageModelV4FunctionTool[] {
  const tools = new Map<string, ToolSpec>();
  for (const message of messages) {
    if (message.role === "system") for (const tool of message.tools) tools.set(tool.name, tool);
  }
  return [...tools.values()].map(({ name, description, inputSchema }) => ({ type: "function", name, description, inputSchema }));
}

function toPromptMessage(message: Message): readonly LanguageModelV4Message[] {
  switch (message.role) {
    case "system":
      return [];
    case "user":
      // Providers refuse a message without text.
      return [{ role: "user", content: [{ type: "text", text: message.text.trim() === "" ? "(no text)" : message.text }] }];
    case "assistant": {
      const content = message.parts.flatMap((part) => toAssistantContent(part));
      return content.length === 0 ? [] : [{ role: "assistant", content }];
    }
    case "tool":
      return [{ role: "tool", content: message.results.map((result) => toToolContent(result)) }];
  }
}

function toAssistantContent(part: AssistantMessage["parts"][number]): readonly AssistantContent[] {
  const options = toOptions(part.providerOptions);
  switch (part.type) {
    case "text":
      return part.text.trim() === "" && part.providerOptions === undefined ? [] : [{ type: "text", text: part.text, ...options }];
    case "reasoning":
      return [{ type: "reasoning", text: part.text, ...options }];
    case "tool-call":
      return [{ type: "tool-call", toolCallId: part.callId, toolName: part.toolName, input: toInputObject(part.input), ...options }];
  }
}

/** Providers take objects only: what a model wrote instead is sent back under a name that tells it so. */
function toInputObject(input: Json): JsonObject {
  return isJsonObject(input) ? input : { malformed_input: input };
}

function toToolContent(result: ToolResultPart): ToolContent {
  const { callId, toolName, value, isError } = result;
  const common = { type: "tool-result", toolCallId: callId, toolName, ...toOptions(result.providerOptions) } as const;
  // Only some wires carry an error flag, so that the text has to say it as well.
  if (isError && typeof value === "string") return { ...common, output: { type: "error-text", value: /error|fail/i.test(value) ? value : `Error: ${value}` } };
  if (isError) return { ...common, output: { type: "error-json", value: isJsonObject(value) && "error" in value ? value : { error: value } } };
  return typeof value === "string" ? { ...common, output: { type: "text", value } } : { ...common, output: { type: "json", value: value } };
}

function toOptions(options: JsonObject | undefined): { providerOptions?: SharedV4ProviderOptions } {
  return options === undefined ? {} : { providerOptions: options as SharedV4ProviderOptions };
}
