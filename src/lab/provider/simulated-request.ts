import type { Json, JsonObject } from "../../base/json.ts";

/** The wire format in which a request came. */
export type Wire = "anthropic-messages" | "openai-responses" | "openai-chat";

/** One request to a model, whatever its wire format. */
export interface SimulatedRequest {
  readonly wire: Wire;
  readonly model: string;
  /** Instructions: the system prompt, or all system and developer messages. */
  readonly system: string | null;
  /** The conversation, oldest first, user and assistant in turn. Tool results stand in user messages. */
  readonly messages: readonly SimulatedMessage[];
  readonly tools: readonly SimulatedTool[];
  readonly toolChoice: SimulatedToolChoice;
  /** The JSON that the answer must be, or null for free text. */
  readonly responseFormat: SimulatedResponseFormat | null;
  readonly maxOutputTokens: number | null;
  readonly stream: boolean;
  /** Headers in lower case; credentials are replaced by "[redacted]". */
  readonly headers: Readonly<Record<string, string>>;
  /** The body as it came. */
  readonly body: JsonObject;
}

/** One message of the conversation. */
export interface SimulatedMessage {
  readonly role: "user" | "assistant";
  readonly parts: readonly SimulatedPart[];
}

/** One part of a message. */
export type SimulatedPart =
  | { readonly type: "text"; readonly text: string }
  | SimulatedToolCall
  | SimulatedToolResult
  /** Anything that the simulator passes over: images, files, reasoning. */
  | { readonly type: "other"; readonly kind: string };

/** A tool call that the model made earlier. */
export interface SimulatedToolCall {
  readonly type: "tool-call";
  readonly id: string;
  readonly name: string;
  /** Parsed arguments; the raw text where they are not JSON. */
  readonly input: Json;
}

/** The result of an earlier tool call. */
export interface SimulatedToolResult {
  readonly type: "tool-result";
  readonly id: string;
  readonly text: string;
  readonly isError: boolean;
}

/** A tool that the request offers. */
export interface SimulatedTool {
  readonly name: string;
  readonly description: string | null;
  readonly inputSchema: JsonObject;
}

/** Whether and which tool must be called. */
export type SimulatedToolChoice =
  | { readonly type: "auto" | "none" | "required" }
  | { readonly type: "tool"; readonly name: string };

/** The form that the answer must have. */
export interface SimulatedResponseFormat {
  readonly type: "json";
  /** Null where the client asked for any JSON object. */
  readonly schema: JsonObject | null;
}

/** Every tool call of the conversation, oldest first. */
export function toolCallsOf(request: SimulatedRequest): readonly SimulatedToolCall[] {
  return request.messages.flatMap((message) => message.parts.filter((part) => part.type === "tool-call"));
}

/** Every tool result of the conversation, oldest first, with the name and input of the call that it answers. */
export function toolResultsOf(request: SimulatedRequest): readonly (SimulatedToolResult & { readonly name: string; readonly input: Json })[] {
  const calls = new Map(toolCallsOf(request).map((call) => [call.id, call]));
  return request.messages.flatMap((message) =>
    message.parts.flatMap((part) => {
      if (part.type !== "tool-result") return [];
      const call = calls.get(part.id);
      return [{ ...part, name: call?.name ?? "", input: call?.input ?? null }];
    }),
  );
}

/** The text of the newest user message that has any; "" when there is none. */
export function lastUserTextOf(request: SimulatedRequest): string {
  const message = request.messages.findLast((candidate) => candidate.role === "user" && candidate.parts.some((part) => part.type === "text"));
  return message ? textOf(message) : "";
}

/** What was said since the newest user message that has text: the turn that is being worked on. */
export function currentTurnOf(request: SimulatedRequest): readonly SimulatedMessage[] {
  const start = request.messages.findLastIndex((message) => message.role === "user" && message.parts.some((part) => part.type === "text"));
  return request.messages.slice(start + 1);
}

/** Makes one message of neighbours of one role: the form in which all wire formats give a conversation. */
export function joinNeighbours(messages: readonly SimulatedMessage[]): readonly SimulatedMessage[] {
  const joined: SimulatedMessage[] = [];
  for (const message of messages) {
    const last = joined.at(-1);
    if (last?.role === message.role) joined[joined.length - 1] = { role: last.role, parts: [...last.parts, ...message.parts] };
    else joined.push(message);
  }
  return joined;
}

function textOf(message: SimulatedMessage): string {
  return message.parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n");
}
