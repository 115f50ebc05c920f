import { isJsonObject, type Json, type JsonObject } from "../../base/json.ts";
import { anthropicFamily, assertAnthropicVersion } from "./anthropic-family.ts";
import { type AnthropicMessage, assertAnthropicConversation, assertAnthropicTools, isCustomTool, parseAnthropicMessages } from "./anthropic-rules.ts";
import { objectsOf, parseJsonOr, splitText, textOfContent, visibleHeaders } from "./body-reading.ts";
import { invalidRequest } from "./provider-error.ts";
import type { SettledPart, SettledReply } from "./settled-reply.ts";
import type { StopReason } from "./simulated-reply.ts";
import { joinNeighbours, type SimulatedMessage, type SimulatedPart, type SimulatedRequest, type SimulatedResponseFormat, type SimulatedToolChoice } from "./simulated-request.ts";
import type { StreamEvent, TypedEvent, WireFormat } from "./wire-format.ts";

/** The Anthropic Messages API, `POST /v1/messages`. */
export const anthropicMessages: WireFormat = {
  wire: "anthropic-messages",
  family: anthropicFamily,
  parseRequest,
  renderReply: (request, reply) => renderMessage(request, reply, reply.parts.map(renderBlock)),
  renderEvents,
};

function parseRequest(body: JsonObject, headers: Headers): SimulatedRequest {
  assertAnthropicVersion(headers);
  if (typeof body["model"] !== "string" || body["model"] === "") throw invalidRequest("model: Field required");
  const maxOutputTokens = parseMaxTokens(body["max_tokens"]);
  assertSampling(body);
  const messages = parseAnthropicMessages(body["messages"]);
  assertAnthropicConversation(messages);
  const tools = objectsOf(body["tools"]);
  assertAnthropicTools(tools, body["tool_choice"]);

  return {
    wire: "anthropic-messages",
    model: body["model"],
    system: parseSystem(body["system"], messages),
    messages: joinNeighbours(messages.filter((message) => message.role !== "system").map(toMessage)),
    tools: tools.filter(isCustomTool).map((tool) => ({
      name: String(tool["name"]),
      description: typeof tool["description"] === "string" ? tool["description"] : null,
      inputSchema: isJsonObject(tool["input_schema"]) ? tool["input_schema"] : {},
    })),
    toolChoice: parseToolChoice(body["tool_choice"]),
    responseFormat: parseResponseFormat(body),
    maxOutputTokens,
    stream: body["stream"] === true,
    headers: visibleHeaders(headers),
    body,
  };
}

function parseMaxTokens(value: Json | undefined): number {
  if (value === undefined) throw invalidRequest("max_tokens: Field required");
  if (typeof value !== "number" || !Number.isInteger(value)) throw invalidRequest("max_tokens: Input should be a valid integer");
  if (value < 1) throw invalidRequest("max_tokens: Input should be greater than or equal to 1");
  return value;
}

function assertSampling({ temperature, thread }: JsonObject): void {
  if (typeof temperature === "number" && (temperature < 0 || temperature > 1)) throw invalidRequest("temperature: range: 0..1");
  // Answering without the history that the client left out would look right and be wrong.
  if (thread !== undefined) throw invalidRequest("thread: the provider simulator keeps no threads; send all messages");
}

function parseSystem(system: Json | undefined, messages: readonly AnthropicMessage[]): string | null {
  const inline = messages.filter((message) => message.role === "system").map((message) => textOfContent(message.blocks));
  const texts = [textOfContent(system), ...inline].filter((text) => text !== "");
  return texts.length === 0 ? null : texts.join("\n\n");
}

function toMessage({ role, blocks }: AnthropicMessage): SimulatedMessage {
  return { role: role === "assistant" ? "assistant" : "user", parts: blocks.map(toPart) };
}

function toPart(block: JsonObject): SimulatedPart {
  switch (block["type"]) {
    case "text":
      return { type: "text", text: String(block["text"]) };
    case "tool_use":
      return { type: "tool-call", id: String(block["id"]), name: String(block["name"]), input: block["input"] ?? {} };
    case "tool_result":
      return { type: "tool-result", id: String(block["tool_use_id"]), text: textOfContent(block["content"]), isError: block["is_error"] === true };
    default:
      return { type: "other", kind: String(block["type"]) };
  }
}

function parseToolChoice(value: Json | undefined): SimulatedToolChoice {
  if (!isJsonObject(value)) return { type: "auto" };
  switch (value["type"]) {
    case "auto":
    case "none":
      return { type: value["type"] };
    case "any":
      return { type: "required" };
    case "tool":
      return { type: "tool", name: String(value["name"]) };
    default:
      throw invalidRequest("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'");
  }
}

function parseResponseFormat(body: JsonObject): SimulatedResponseFormat | null {
  const config = body["output_config"];
  const format = isJsonObject(config) ? config["format"] : body["output_format"];
  if (!isJsonObject(format)) return null;
  if (format["type"] !== "json_schema") throw invalidRequest("output_config.format.type: Input should be 'json_schema'");
  return { type: "json", schema: isJsonObject(format["schema"]) ? format["schema"] : null };
}

const stopReasons: Readonly<Record<StopReason, string>> = { stop: "end_turn", "tool-calls": "tool_use", length: "max_tokens", "content-filter": "refusal", refusal: "refusal" };

function renderMessage(request: SimulatedRequest, reply: SettledReply, content: readonly JsonObject[]): JsonObject {
  return {
    id: `msg_sim_${reply.id}`,
    type: "message",
    role: "assistant",
    model: request.model,
    content,
    stop_reason: stopReasons[reply.stopReason],
    stop_sequence: null,
    stop_details: null,
    container: null,
    diagnostics: null,
    usage: renderUsage(reply),
  };
}

function renderUsage({ usage }: SettledReply): JsonObject {
  return {
    input_tokens: usage.inputTokens - usage.cachedInputTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: usage.cachedInputTokens,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    output_tokens: usage.outputTokens,
    output_tokens_details: { thinking_tokens: usage.reasoningTokens },
    server_tool_use: null,
    service_tier: "standard",
    inference_geo: null,
    speed: null,
  };
}

function renderBlock(part: SettledPart): JsonObject {
  if (part.type === "text") return { type: "text", text: part.text, citations: null };
  return { type: "tool_use", id: `toolu_sim_${part.id}`, name: part.name, input: parseJsonOr(part.argumentsText, {}) };
}

function renderEvents(request: SimulatedRequest, reply: SettledReply): readonly StreamEvent[] {
  const opening = { ...renderMessage(request, reply, []), stop_reason: null, usage: { ...renderUsage(reply), output_tokens: 1 } };
  const { input_tokens, cache_creation_input_tokens, cache_read_input_tokens, output_tokens, output_tokens_details, server_tool_use } = renderUsage(reply);
  return [
    { type: "message_start", message: opening },
    { type: "ping" },
    ...reply.parts.flatMap(renderBlockEvents),
    {
      type: "message_delta",
      delta: { stop_reason: stopReasons[reply.stopReason], stop_sequence: null, stop_details: null, container: null },
      usage: { input_tokens, cache_creation_input_tokens, cache_read_input_tokens, output_tokens, output_tokens_details, server_tool_use },
    },
    { type: "message_stop" },
  ].map((data) => ({ name: data.type, data: JSON.stringify(data) }));
}

function renderBlockEvents(part: SettledPart, index: number): readonly TypedEvent[] {
  const empty = part.type === "text" ? { type: "text", text: "", citations: null } : { ...renderBlock(part), input: {} };
  const deltas =
    part.type === "text"
      ? splitText(part.text).map((text) => ({ type: "text_delta", text }))
      : splitText(part.argumentsText).map((text) => ({ type: "input_json_delta", partial_json: text }));
  return [
    { type: "content_block_start", index, content_block: empty },
    ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
    { type: "content_block_stop", index },
  ];
}
