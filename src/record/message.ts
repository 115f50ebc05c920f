import type { Json, JsonObject } from "../base/json.ts";

/** Opaque data that a provider wants back with the part (signatures of reasoning, cache hints). */
type ProviderData = { readonly providerOptions?: JsonObject };

export type TextPart = { readonly type: "text"; readonly text: string } & ProviderData;
export type ReasoningPart = { readonly type: "reasoning"; readonly text: string } & ProviderData;
export type ToolCallPart = { readonly type: "tool-call"; readonly callId: string; readonly toolName: string; readonly input: Json } & ProviderData;
export type ToolResultPart = { readonly type: "tool-result"; readonly callId: string; readonly toolName: string; readonly isError: boolean; readonly value: Json } & ProviderData;

/** The tool through which a model hands in its output: works with every provider that has tools. No other tool may have its name. */
export const finalAnswerTool = "final_answer";

/** What a model is told about a tool. */
export interface ToolSpec {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: JsonObject;
}

export interface SystemMessage {
  readonly role: "system";
  readonly text: string;
  readonly tools: readonly ToolSpec[];
}
export interface UserMessage {
  readonly role: "user";
  readonly text: string;
}
export interface AssistantMessage {
  readonly role: "assistant";
  readonly parts: readonly (TextPart | ReasoningPart | ToolCallPart)[];
}
export interface ToolMessage {
  readonly role: "tool";
  readonly results: readonly ToolResultPart[];
}

/** One entry of a transcript. A transcript begins with its system message, which also holds the tools. */
export type Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage;

export function textOf(message: AssistantMessage): string {
  return message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

export function toolCallsOf(message: AssistantMessage): readonly ToolCallPart[] {
  return message.parts.filter((part) => part.type === "tool-call");
}
