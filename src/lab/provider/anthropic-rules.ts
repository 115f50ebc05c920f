import { isJsonObject, type Json, type JsonObject } from "../../base/json.ts";
import { invalidRequest } from "./provider-error.ts";

/** A message of the Messages API with its content as blocks. */
export interface AnthropicMessage {
  readonly role: "user" | "assistant" | "system";
  readonly blocks: readonly JsonObject[];
}

/** Checks the shape of `messages`. @throws {ProviderError} 400 in Anthropic's words. */
export function parseAnthropicMessages(value: Json | undefined): readonly AnthropicMessage[] {
  if (value === undefined) throw invalidRequest("messages: Field required");
  if (!Array.isArray(value)) throw invalidRequest("messages: Input should be a valid array");
  if (value.length === 0) throw invalidRequest("messages: at least one message is required");
  return value.map((message: Json, index) => parseMessage(message, index, index === value.length - 1));
}

/**
 * Checks what makes a conversation valid as a whole: it starts with the user, and every `tool_use` is answered in the next message,
 * results first. Neighbours of one role count as one message, as they do at the provider.
 * @throws {ProviderError} 400 in Anthropic's words.
 */
export function assertAnthropicConversation(messages: readonly AnthropicMessage[]): void {
  const turns = joinNeighbours(messages);
  if (turns[0]?.role !== "user") throw invalidRequest('messages: first message must use the "user" role');
  const seen = new Set<string>();
  for (const [index, turn] of turns.entries()) {
    const calls = idsOf(turn, "tool_use", "id");
    for (const id of calls) {
      if (seen.has(id)) throw invalidRequest("messages: `tool_use` ids must be unique");
      seen.add(id);
    }
    assertAnswered(calls, turns[index + 1], index);
    assertResultsMatch(turn, turns[index - 1], index);
  }
}

const toolNamePattern = /^[a-zA-Z0-9_-]{1,128}$/;

/** @throws {ProviderError} 400 in Anthropic's words. */
export function assertAnthropicTools(tools: readonly JsonObject[], toolChoice: Json | undefined): void {
  const names = new Set<Json | undefined>();
  for (const [index, tool] of tools.entries()) {
    const place = `tools.${index}.custom`;
    if (typeof tool["name"] !== "string") throw invalidRequest(`${place}.name: Field required`);
    if (!toolNamePattern.test(tool["name"])) throw invalidRequest(`${place}.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'`);
    if (names.has(tool["name"])) throw invalidRequest("tools: Tool names must be unique.");
    names.add(tool["name"]);
    if (!isCustomTool(tool)) continue;
    const schema = tool["input_schema"];
    if (!isJsonObject(schema)) throw invalidRequest(`${place}.input_schema: Field required`);
    if (schema["type"] === undefined) throw invalidRequest(`${place}.input_schema.type: Field required`);
    if (schema["type"] !== "object") throw invalidRequest(`${place}.input_schema.type: Input should be 'object'`);
  }
  if (!isJsonObject(toolChoice)) return;
  if (tools.length === 0) throw invalidRequest("tool_choice: may only be specified while providing tools");
  if (toolChoice["type"] === "tool" && !names.has(toolChoice["name"])) {
    throw invalidRequest(`tool_choice: Tool '${String(toolChoice["name"])}' not found in provided tools`);
  }
}

/** False for tools that run at the provider, which the simulator passes over. */
export function isCustomTool(tool: JsonObject): boolean {
  return tool["type"] === undefined || tool["type"] === null || tool["type"] === "custom";
}

function parseMessage(value: Json, index: number, isLast: boolean): AnthropicMessage {
  const place = `messages.${index}`;
  if (!isJsonObject(value)) throw invalidRequest(`${place}: Input should be a valid dictionary`);
  const { role, content } = value;
  if (role !== "user" && role !== "assistant" && role !== "system") throw invalidRequest(`${place}.role: Input should be 'user' or 'assistant'`);
  if (content === undefined) throw invalidRequest(`${place}.content: Field required`);
  const isEmpty = content === "" || (Array.isArray(content) && content.length === 0);
  if (isEmpty && role !== "system" && !(isLast && role === "assistant")) {
    throw invalidRequest(`${place}: all messages must have non-empty content except for the optional final assistant message`);
  }
  const blocks = parseBlocks(content, place);
  const text = blocks.at(-1)?.["text"];
  if (isLast && role === "assistant" && typeof text === "string" && /\s$/.test(text)) {
    throw invalidRequest("messages: final assistant content cannot end with trailing whitespace");
  }
  return { role, blocks };
}

function parseBlocks(content: Json, place: string): readonly JsonObject[] {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  if (!Array.isArray(content)) throw invalidRequest(`${place}.content: Input should be a valid string or array`);
  return content.map((block: Json, index) => {
    const here = `${place}.content.${index}`;
    if (!isJsonObject(block) || typeof block["type"] !== "string") throw invalidRequest(`${here}.type: Field required`);
    assertBlock(block, here);
    return block;
  });
}

const textFields: Readonly<Record<string, readonly string[]>> = { text: ["text"], tool_use: ["id", "name"], tool_result: ["tool_use_id"] };

function assertBlock(block: JsonObject, place: string): void {
  const type = String(block["type"]);
  for (const field of textFields[type] ?? []) {
    if (typeof block[field] !== "string") throw invalidRequest(`${place}.${type}.${field}: Field required`);
  }
  if (type === "text" && block["text"] === "") throw invalidRequest("messages: text content blocks must be non-empty");
  if (type === "tool_use" && !isJsonObject(block["input"])) throw invalidRequest(`${place}.tool_use.input: Input should be a valid dictionary`);
}

function assertAnswered(calls: readonly string[], next: AnthropicMessage | undefined, index: number): void {
  const answered = new Set(next ? leadingResults(next) : []);
  const open = calls.filter((id) => !answered.has(id));
  if (open.length === 0) return;
  throw invalidRequest(
    `messages.${index}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${open.join(", ")}. ` +
      "Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
  );
}

function assertResultsMatch(turn: AnthropicMessage, previous: AnthropicMessage | undefined, index: number): void {
  const known = new Set(previous ? idsOf(previous, "tool_use", "id") : []);
  const seen = new Set<string>();
  for (const [position, id] of idsOf(turn, "tool_result", "tool_use_id").entries()) {
    if (!known.has(id)) {
      throw invalidRequest(
        `messages.${index}.content.${position}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${id}. ` +
          "Each `tool_result` block must have a corresponding `tool_use` block in the previous message.",
      );
    }
    if (seen.has(id)) {
      throw invalidRequest(`messages.${index}.content.${position}: each tool_use must have a single result. Found multiple \`tool_result\` blocks with id: ${id}`);
    }
    seen.add(id);
  }
}

/** Results behind other content do not answer a call. */
function leadingResults(turn: AnthropicMessage): readonly string[] {
  const firstOther = turn.blocks.findIndex((block) => block["type"] !== "tool_result");
  const leading = firstOther === -1 ? turn.blocks : turn.blocks.slice(0, firstOther);
  return idsOf({ ...turn, blocks: leading }, "tool_result", "tool_use_id");
}

function idsOf(turn: AnthropicMessage, type: string, field: string): readonly string[] {
  return turn.blocks.flatMap((block) => {
    const id = block[field];
    return block["type"] === type && typeof id === "string" ? [id] : [];
  });
}

function joinNeighbours(messages: readonly AnthropicMessage[]): readonly AnthropicMessage[] {
  const turns: AnthropicMessage[] = [];
  for (const message of messages) {
    if (message.role === "system") continue;
    const last = turns.at(-1);
    if (last?.role === message.role) turns[turns.length - 1] = { ...last, blocks: [...last.blocks, ...message.blocks] };
    else turns.push(message);
  }
  return turns;
}
