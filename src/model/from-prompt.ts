import type { LanguageModelV4CallOptions, LanguageModelV4Content, LanguageModelV4Message } from "@ai-sdk/provider";
import { type Json, toJson } from "../base/json.ts";
import type { AssistantMessage, Message, ToolResultPart, ToolSpec } from "../record/message.ts";
import { parseInput } from "./stream.ts";

/** A call that an AI SDK function makes, as our transcript: for records and for the price, not to be sent again. */
export function fromPrompt({ prompt, tools = [] }: Pick<LanguageModelV4CallOptions, "prompt" | "tools">): readonly Message[] {
  const specs = tools.flatMap((tool): ToolSpec[] =>
    tool.type === "function" ? [{ name: tool.name, description: tool.description ?? "", inputSchema: toJson(tool.inputSchema, "A tool's schema") as ToolSpec["inputSchema"] }] : []);
  const text = prompt.flatMap((message) => (message.role === "system" ? [message.content] : [])).join("\n\n");
  return [{ role: "system", text, tools: specs }, ...prompt.flatMap((message) => fromMessage(message))];
}

/** The answer's content as our message. */
export function fromContent(content: readonly LanguageModelV4Content[]): AssistantMessage {
  return {
    role: "assistant",
    parts: content.map((part) => {
      switch (part.type) {
        case "text":
        case "reasoning":
          return { type: part.type, text: part.text };
        case "tool-call":
          return { type: "tool-call", callId: part.toolCallId, toolName: part.toolName, input: parseInput(part.input) };
        default:
          return { type: "text", text: `[${part.type}]` };
      }
    }),
  };
}

function fromMessage(message: LanguageModelV4Message): readonly Message[] {
  switch (message.role) {
    case "system":
      return [];
    case "user":
      return [{ role: "user", text: message.content.map((part) => (part.type === "text" ? part.text : `[file ${part.mediaType}]`)).join("\n") }];
    case "assistant":
      return [{ role: "assistant", parts: message.content.flatMap((part) => fromAssistantPart(part)) }];
    case "tool":
      return [{ role: "tool", results: message.content.flatMap((part) => (part.type === "tool-result" ? [fromToolResult(part)] : [])) }];
  }
}

type AssistantPromptPart = Extract<LanguageModelV4Message, { role: "assistant" }>["content"][number];
type ToolPromptPart = Extract<AssistantPromptPart, { type: "tool-result" }>;

function fromAssistantPart(part: AssistantPromptPart): AssistantMessage["parts"] {
  switch (part.type) {
    case "text":
    case "reasoning":
      return [{ type: part.type, text: part.text }];
    case "tool-call":
      return [{ type: "tool-call", callId: part.toolCallId, toolName: part.toolName, input: toJson(part.input, "A tool call's input") }];
    default:
      return [{ type: "text", text: `[${part.type}]` }];
  }
}

function fromToolResult({ toolCallId, toolName, output }: ToolPromptPart): ToolResultPart {
  const isError = output.type === "error-text" || output.type === "error-json" || output.type === "execution-denied";
  const value: Json = "value" in output ? toJson(output.value, "A tool's result") : (("reason" in output && output.reason) || output.type);
  return { type: "tool-result", callId: toolCallId, toolName, isError, value };
}
