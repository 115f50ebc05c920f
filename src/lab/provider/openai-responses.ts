import { isJsonObject, type Json, type JsonObject } from "../../base/json.ts";
import { objectsOf, parseJsonOr, splitText, textOfContent, visibleHeaders } from "./body-reading.ts";
import { invalidValue, missingParameter, openAiFamily, parseFunctionTool, parseJsonSchemaFormat, parseOutputLimit, parseToolChoice } from "./openai-family.ts";
import { OpenAiStoredItems } from "./openai-stored-items.ts";
import { invalidRequest } from "./provider-error.ts";
import type { SettledPart, SettledReply } from "./settled-reply.ts";
import type { StopReason } from "./simulated-reply.ts";
import { joinNeighbours, type SimulatedMessage, type SimulatedPart, type SimulatedRequest, type SimulatedResponseFormat, type SimulatedTool } from "./simulated-request.ts";
import type { StreamEvent, TypedEvent, WireFormat } from "./wire-format.ts";

/** The OpenAI Responses API, `POST /v1/responses`. It has state: clients may refer to earlier items by id. */
export function createOpenAiResponses(): WireFormat {
  const stored = new OpenAiStoredItems();
  return {
    wire: "openai-responses",
    family: openAiFamily,
    parseRequest: (body, headers) => parseRequest(body, headers, stored),
    renderReply: (request, reply) => renderResponse(request, reply, renderOutput(reply)),
    renderEvents,
    remember(request, reply) {
      if (request.body["store"] !== false) stored.store(`resp_sim_${reply.id}`, stored.resolveInput(request.body), renderOutput(reply));
    },
  };
}

function parseRequest(body: JsonObject, headers: Headers, stored: OpenAiStoredItems): SimulatedRequest {
  const { model, instructions } = body;
  if (typeof model !== "string" || model === "") throw missingParameter("model");
  const items = stored.resolveInput(body);
  items.forEach(assertRole);
  assertCallsAnswered(items);
  const tools = parseTools(body["tools"]);
  const system = [instructions, ...items.filter(isInstruction).map((item) => textOfContent(item["content"]))].filter((text) => typeof text === "string");

  return {
    wire: "openai-responses",
    model,
    system: system.length === 0 ? null : system.join("\n\n"),
    messages: joinNeighbours(items.filter((item) => !isInstruction(item)).map(toMessage)),
    tools,
    toolChoice: parseToolChoice(body["tool_choice"], tools, (choice) => choice["name"]),
    responseFormat: parseResponseFormat(body["text"]),
    maxOutputTokens: parseOutputLimit(body["max_output_tokens"], "max_output_tokens", 16),
    stream: body["stream"] === true,
    headers: visibleHeaders(headers),
    body,
  };
}

const roles = ["assistant", "system", "developer", "user"];

function assertRole(item: JsonObject, index: number): void {
  const { type = "message", role } = item;
  if (type !== "message") return;
  if (typeof role !== "string" || !roles.includes(role)) throw invalidValue(`input[${index}].role`, role, roles);
  if (item["content"] === undefined) throw missingParameter(`input[${index}].content`);
}

/** Every call has an output somewhere behind it, and every output a call before it. */
function assertCallsAnswered(items: readonly JsonObject[]): void {
  const open = new Set<string>();
  for (const item of items) {
    const id = String(item["call_id"]);
    if (item["type"] === "function_call") open.add(id);
    if (item["type"] !== "function_call_output") continue;
    if (!open.delete(id)) throw invalidRequest(`No tool call found for function call output with call_id ${id}.`, { param: "input" });
  }
  for (const id of open) throw invalidRequest(`No tool output found for function call ${id}.`, { param: "input" });
}

function isInstruction(item: JsonObject): boolean {
  return item["role"] === "system" || item["role"] === "developer";
}

function toMessage(item: JsonObject): SimulatedMessage {
  const { type = "message" } = item;
  const id = String(item["call_id"]);
  switch (type) {
    case "message":
      return { role: item["role"] === "assistant" ? "assistant" : "user", parts: toParts(item["content"]) };
    case "function_call": {
      const text = String(item["arguments"] ?? "");
      return { role: "assistant", parts: [{ type: "tool-call", id, name: String(item["name"]), input: parseJsonOr(text, text) }] };
    }
    case "function_call_output":
      return { role: "user", parts: [{ type: "tool-result", id, text: textOfContent(item["output"]), isError: false }] };
    default:
      return { role: "assistant", parts: [{ type: "other", kind: String(type) }] };
  }
}

function toParts(content: Json | undefined): readonly SimulatedPart[] {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  return objectsOf(content).map((part) =>
    typeof part["text"] === "string" ? { type: "text", text: part["text"] } : { type: "other", kind: String(part["type"]) },
  );
}

/** Tools that run at the provider are passed over. */
function parseTools(value: Json | undefined): readonly SimulatedTool[] {
  return objectsOf(value).flatMap((tool, index) => (tool["type"] === "function" ? [parseFunctionTool(tool, `tools[${index}]`)] : []));
}

function parseResponseFormat(text: Json | undefined): SimulatedResponseFormat | null {
  const format = isJsonObject(text) ? text["format"] : undefined;
  if (!isJsonObject(format) || format["type"] === "text") return null;
  if (format["type"] === "json_object") return { type: "json", schema: null };
  if (format["type"] !== "json_schema") throw invalidValue("text.format.type", format["type"], ["json_object", "json_schema", "text"]);
  return { type: "json", schema: parseJsonSchemaFormat(format, "text.format") };
}

function renderResponse({ body, model }: SimulatedRequest, reply: SettledReply, output: readonly JsonObject[]): JsonObject {
  const reason = incompleteReason(reply);
  return {
    id: `resp_sim_${reply.id}`,
    object: "response",
    created_at: Math.floor(reply.createdAtMs / 1000),
    status: reason === null ? "completed" : "incomplete",
    background: false,
    error: null,
    incomplete_details: reason === null ? null : { reason },
    instructions: body["instructions"] ?? null,
    max_output_tokens: body["max_output_tokens"] ?? null,
    metadata: body["metadata"] ?? {},
    model,
    output,
    parallel_tool_calls: body["parallel_tool_calls"] ?? true,
    previous_response_id: body["previous_response_id"] ?? null,
    reasoning: { effort: null, summary: null },
    service_tier: "default",
    store: body["store"] ?? true,
    temperature: body["temperature"] ?? 1,
    text: body["text"] ?? { format: { type: "text" } },
    tool_choice: body["tool_choice"] ?? "auto",
    tools: body["tools"] ?? [],
    top_p: body["top_p"] ?? 1,
    truncation: body["truncation"] ?? "disabled",
    usage: renderUsage(reply),
    user: body["user"] ?? null,
  };
}

function incompleteReason({ stopReason }: SettledReply): string | null {
  if (stopReason === "length") return "max_output_tokens";
  return stopReason === "content-filter" ? "content_filter" : null;
}

function renderUsage({ usage }: SettledReply): JsonObject {
  return {
    input_tokens: usage.inputTokens,
    input_tokens_details: { cached_tokens: usage.cachedInputTokens, cache_write_tokens: 0 },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: usage.inputTokens + usage.outputTokens,
  };
}

function renderOutput(reply: SettledReply): readonly JsonObject[] {
  return reply.parts.map((part, index) => {
    const isLast = index === reply.parts.length - 1;
    return { ...renderItem(part, reply.stopReason), status: isLast && incompleteReason(reply) !== null ? "incomplete" : "completed" };
  });
}

function renderItem(part: SettledPart, stopReason: StopReason): JsonObject {
  if (part.type === "text") return { id: `msg_sim_${part.id}`, type: "message", role: "assistant", content: [renderText(part.text, stopReason)] };
  return { id: `fc_sim_${part.id}`, type: "function_call", call_id: `call_sim_${part.id}`, name: part.name, arguments: part.argumentsText };
}

function renderText(text: string, stopReason: StopReason): JsonObject {
  if (stopReason === "refusal") return { type: "refusal", refusal: text };
  return { type: "output_text", text, annotations: [], logprobs: [] };
}

function renderEvents(request: SimulatedRequest, reply: SettledReply): readonly StreamEvent[] {
  const output = renderOutput(reply);
  const opening = { ...renderResponse(request, reply, []), status: "in_progress", incomplete_details: null, usage: null };
  const isComplete = incompleteReason(reply) === null;
  return [
    { type: "response.created", response: opening },
    { type: "response.in_progress", response: opening },
    ...reply.parts.flatMap((part, index) => renderItemEvents(part, output[index] ?? {}, index, reply.stopReason)),
    { type: isComplete ? "response.completed" : "response.incomplete", response: renderResponse(request, reply, output) },
  ].map((event, index) => ({ name: event.type, data: JSON.stringify({ ...event, sequence_number: index }) }));
}

function renderItemEvents(part: SettledPart, item: JsonObject, index: number, stopReason: StopReason): readonly TypedEvent[] {
  const place = { item_id: item["id"] ?? null, output_index: index };
  const done = { type: "response.output_item.done", output_index: index, item };
  if (part.type === "tool-call") {
    return [
      { type: "response.output_item.added", output_index: index, item: { ...item, arguments: "", status: "in_progress" } },
      ...splitText(part.argumentsText).map((delta) => ({ type: "response.function_call_arguments.delta", ...place, delta })),
      { type: "response.function_call_arguments.done", ...place, name: part.name, arguments: part.argumentsText },
      done,
    ];
  }
  const content = { ...place, content_index: 0 };
  return [
    { type: "response.output_item.added", output_index: index, item: { ...item, content: [], status: "in_progress" } },
    { type: "response.content_part.added", ...content, part: renderText("", stopReason) },
    ...renderTextEvents(part.text, content, stopReason),
    { type: "response.content_part.done", ...content, part: renderText(part.text, stopReason) },
    done,
  ];
}

function renderTextEvents(text: string, content: JsonObject, stopReason: StopReason): readonly TypedEvent[] {
  if (stopReason === "refusal") {
    return [...splitText(text).map((delta) => ({ type: "response.refusal.delta", ...content, delta })), { type: "response.refusal.done", ...content, refusal: text }];
  }
  return [
    ...splitText(text).map((delta) => ({ type: "response.output_text.delta", ...content, delta, logprobs: [] })),
    { type: "response.output_text.done", ...content, text, logprobs: [] },
  ];
}
