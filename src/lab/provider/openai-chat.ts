import { isJsonObject, type Json, type JsonObject } from "../../base/json.ts";
import { objectsOf, parseJsonOr, splitText, textOfContent, visibleHeaders } from "./body-reading.ts";
import { invalidValue, missingParameter, openAiFamily, parseFunctionTool, parseJsonSchemaFormat, parseOutputLimit, parseToolChoice } from "./openai-family.ts";
import { invalidRequest } from "./provider-error.ts";
import type { SettledPart, SettledReply } from "./settled-reply.ts";
import type { StopReason } from "./simulated-reply.ts";
import { joinNeighbours, type SimulatedMessage, type SimulatedPart, type SimulatedRequest, type SimulatedResponseFormat, type SimulatedTool } from "./simulated-request.ts";
import type { StreamEvent, WireFormat } from "./wire-format.ts";

/** The OpenAI Chat Completions API, `POST /v1/chat/completions`, which many other providers speak too. */
export const openAiChat: WireFormat = {
  wire: "openai-chat",
  family: openAiFamily,
  parseRequest,
  renderReply,
  renderEvents,
};

function parseRequest(body: JsonObject, headers: Headers): SimulatedRequest {
  const { model } = body;
  if (typeof model !== "string" || model === "") throw invalidRequest("you must provide a model parameter");
  const messages = parseMessages(body["messages"]);
  assertToolMessages(messages);
  const tools = parseTools(body["tools"]);

  return {
    wire: "openai-chat",
    model,
    system: parseSystem(messages),
    messages: joinNeighbours(messages.filter(({ role }) => role !== "system" && role !== "developer").map(toMessage)),
    tools,
    toolChoice: parseToolChoice(body["tool_choice"], tools, (choice) => (isJsonObject(choice["function"]) ? choice["function"]["name"] : undefined)),
    responseFormat: parseResponseFormat(body["response_format"]),
    maxOutputTokens: parseMaxTokens(body, model),
    stream: body["stream"] === true,
    headers: visibleHeaders(headers),
    body,
  };
}

type ChatMessage = JsonObject & { readonly role: string };
const roles = ["system", "assistant", "user", "function", "tool", "developer"];

function parseMessages(value: Json | undefined): readonly ChatMessage[] {
  if (value === undefined) throw missingParameter("messages");
  if (!Array.isArray(value)) throw invalidRequest("Invalid type for 'messages': expected an array of objects.", { param: "messages", code: "invalid_type" });
  if (value.length === 0) {
    const message = "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.";
    throw invalidRequest(message, { param: "messages", code: "empty_array" });
  }
  return value.map((message: Json, index) => {
    const role = isJsonObject(message) ? message["role"] : undefined;
    if (!isJsonObject(message) || role === undefined) throw missingParameter(`messages[${index}].role`);
    if (typeof role !== "string" || !roles.includes(role)) throw invalidValue(`messages[${index}].role`, role, roles);
    assertContent(message, index);
    return { ...message, role };
  });
}

function assertContent(message: JsonObject, index: number): void {
  const { content } = message;
  if (typeof content === "string" || Array.isArray(content)) return;
  if (message["role"] === "assistant" && (objectsOf(message["tool_calls"]).length > 0 || message["refusal"] || message["function_call"])) return;
  const got = content === undefined || content === null ? "null" : typeof content;
  throw invalidRequest(`Invalid value for 'content': expected a string, got ${got}.`, { param: `messages.[${index}].content` });
}

/** Every tool call is answered directly behind it, and nothing else is. */
function assertToolMessages(messages: readonly ChatMessage[]): void {
  let open: readonly string[] = [];
  for (const [index, message] of messages.entries()) {
    if (message.role === "tool") {
      open = answer(open, message, index);
      continue;
    }
    assertNoneOpen(open, index);
    open = objectsOf(message["tool_calls"]).map((call) => String(call["id"]));
  }
  assertNoneOpen(open, messages.length);
}

function answer(open: readonly string[], message: ChatMessage, index: number): readonly string[] {
  const id = message["tool_call_id"];
  if (typeof id !== "string") throw missingParameter(`messages[${index}].tool_call_id`);
  if (open.includes(id)) return open.filter((candidate) => candidate !== id);
  // The misspelling is the provider's, and people search for it.
  const message400 = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
  throw invalidRequest(message400, { param: `messages.[${index}].role` });
}

function assertNoneOpen(open: readonly string[], index: number): void {
  if (open.length === 0) return;
  const message =
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. " +
    `The following tool_call_ids did not have response messages: ${open.join(", ")}`;
  throw invalidRequest(message, { param: `messages.[${index}].role` });
}

function parseSystem(messages: readonly ChatMessage[]): string | null {
  const texts = messages.filter(({ role }) => role === "system" || role === "developer").map((message) => textOfContent(message["content"]));
  return texts.length === 0 ? null : texts.join("\n\n");
}

function toMessage(message: ChatMessage): SimulatedMessage {
  if (message.role === "tool") {
    const text = textOfContent(message["content"]);
    return { role: "user", parts: [{ type: "tool-result", id: String(message["tool_call_id"]), text, isError: false }] };
  }
  const calls = objectsOf(message["tool_calls"]).map(toToolCall);
  return { role: message.role === "assistant" ? "assistant" : "user", parts: [...toParts(message["content"]), ...calls] };
}

function toParts(content: Json | undefined): readonly SimulatedPart[] {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  return objectsOf(content).map((part) =>
    typeof part["text"] === "string" ? { type: "text", text: part["text"] } : { type: "other", kind: String(part["type"]) },
  );
}

function toToolCall(call: JsonObject): SimulatedPart {
  const called = isJsonObject(call["function"]) ? call["function"] : {};
  const text = String(called["arguments"] ?? "");
  return { type: "tool-call", id: String(call["id"]), name: String(called["name"]), input: parseJsonOr(text, text) };
}

function parseTools(value: Json | undefined): readonly SimulatedTool[] {
  return objectsOf(value).flatMap((tool, index) => {
    if (tool["type"] !== "function") return [];
    if (!isJsonObject(tool["function"])) throw missingParameter(`tools[${index}].function`);
    return [parseFunctionTool(tool["function"], `tools[${index}].function`)];
  });
}

function parseResponseFormat(value: Json | undefined): SimulatedResponseFormat | null {
  if (!isJsonObject(value) || value["type"] === "text") return null;
  if (value["type"] === "json_object") return { type: "json", schema: null };
  if (value["type"] !== "json_schema") throw invalidValue("response_format.type", value["type"], ["json_object", "json_schema", "text"]);
  if (!isJsonObject(value["json_schema"])) throw missingParameter("response_format.json_schema");
  return { type: "json", schema: parseJsonSchemaFormat(value["json_schema"], "response_format") };
}

const reasoningModelPattern = /^(?:o\d|gpt-5)/;

function parseMaxTokens(body: JsonObject, model: string): number | null {
  const older = parseOutputLimit(body["max_tokens"], "max_tokens", 1);
  const newer = parseOutputLimit(body["max_completion_tokens"], "max_completion_tokens", 1);
  if (older === null) return newer;
  if (newer !== null) throw invalidRequest("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.", { code: "invalid_parameter_combination" });
  if (!reasoningModelPattern.test(model)) return older;
  const message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
  throw invalidRequest(message, { param: "max_tokens", code: "unsupported_parameter" });
}

const finishReasons: Readonly<Record<StopReason, string>> = { stop: "stop", "tool-calls": "tool_calls", length: "length", "content-filter": "content_filter", refusal: "stop" };

function renderReply(request: SimulatedRequest, reply: SettledReply): JsonObject {
  const calls = reply.parts.filter((part) => part.type === "tool-call").map(renderToolCall);
  const text = reply.parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("");
  const isRefusal = reply.stopReason === "refusal";
  const content = isRefusal || (text === "" && calls.length > 0) ? null : text;
  const message = { role: "assistant", content, refusal: isRefusal ? text : null, annotations: [], ...(calls.length > 0 && { tool_calls: calls }) };
  return {
    ...renderFrame(request, reply, "chat.completion"),
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReasons[reply.stopReason] }],
    usage: renderUsage(reply),
  };
}

function renderFrame(request: SimulatedRequest, reply: SettledReply, object: string): JsonObject {
  return {
    id: `chatcmpl-sim_${reply.id}`,
    object,
    created: Math.floor(reply.createdAtMs / 1000),
    model: request.model,
    service_tier: "default",
    system_fingerprint: "fp_sim_longhaul",
  };
}

function renderToolCall(part: Extract<SettledPart, { type: "tool-call" }>): JsonObject {
  return { id: `call_sim_${part.id}`, type: "function", function: { name: part.name, arguments: part.argumentsText } };
}

function renderUsage({ usage }: SettledReply): JsonObject {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedInputTokens, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
  };
}

function renderEvents(request: SimulatedRequest, reply: SettledReply): readonly StreamEvent[] {
  const frame = renderFrame(request, reply, "chat.completion.chunk");
  const options = request.body["stream_options"];
  const includesUsage = isJsonObject(options) && options["include_usage"] === true;
  const deltas = [{ role: "assistant", content: "", refusal: null }, ...renderDeltas(reply)];
  const choices = [
    ...deltas.map((delta) => ({ index: 0, delta, logprobs: null, finish_reason: null })),
    { index: 0, delta: {}, logprobs: null, finish_reason: finishReasons[reply.stopReason] },
  ];
  const chunks = [
    ...choices.map((choice) => ({ ...frame, choices: [choice], ...(includesUsage && { usage: null }) })),
    ...(includesUsage ? [{ ...frame, choices: [], usage: renderUsage(reply) }] : []),
  ];
  return [...chunks.map((chunk) => ({ name: null, data: JSON.stringify(chunk) })), { name: null, data: "[DONE]" }];
}

function renderDeltas({ parts, stopReason }: SettledReply): readonly JsonObject[] {
  const field = stopReason === "refusal" ? "refusal" : "content";
  const calls = parts.filter((part) => part.type === "tool-call");
  return parts.flatMap((part): readonly JsonObject[] => {
    if (part.type === "text") return splitText(part.text).map((text) => ({ [field]: text }));
    const index = calls.indexOf(part);
    const opening = { index, id: `call_sim_${part.id}`, type: "function", function: { name: part.name, arguments: "" } };
    const pieces = splitText(part.argumentsText).map((text) => ({ index, function: { arguments: text } }));
    return [opening, ...pieces].map((call) => ({ tool_calls: [call] }));
  });
}
