import { expect, test } from "vitest";
import type { JsonObject } from "../../base/json.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { createProviderSimulator } from "./provider-simulator.ts";
import type { Wire } from "./simulated-request.ts";
import { requestOf } from "./wire-requests.testsuite.ts";

/** What the simulator answers to the smallest valid request with some fields replaced; null removes a field. */
async function ask(wire: Wire, overrides: JsonObject): Promise<{ readonly status: number; readonly message: string; readonly param: unknown }> {
  const simulator = createProviderSimulator({ clock: new VirtualClock() });
  const valid = requestOf(wire, overrides);
  const body = (await valid.clone().json()) as JsonObject;
  const kept = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
  const response = await simulator.fetch(valid.url, { method: "POST", headers: valid.headers, body: JSON.stringify(kept) });
  const answer = (await response.json()) as { readonly error?: { readonly message?: string; readonly param?: string } | null };
  return { status: response.status, message: answer.error?.message ?? "", param: answer.error?.param };
}

const hello = { role: "user", content: "Hello" };
const toolUse = (...ids: readonly string[]) => ({ role: "assistant", content: ids.map((id) => ({ type: "tool_use", id, name: "find", input: {} })) });
const toolResult = (id: string) => ({ type: "tool_result", tool_use_id: id, content: "found" });

test.each<readonly [string, JsonObject, string]>([
  ["no model", { model: null }, "model: Field required"],
  ["no output limit", { max_tokens: null }, "max_tokens: Field required"],
  ["an output limit of 0", { max_tokens: 0 }, "max_tokens: Input should be greater than or equal to 1"],
  ["no messages", { messages: null }, "messages: Field required"],
  ["an empty list of messages", { messages: [] }, "messages: at least one message is required"],
  ["a role that there is not", { messages: [{ role: "tool", content: "x" }] }, "messages.0.role: Input should be 'user' or 'assistant'"],
  ["an assistant that speaks first", { messages: [{ role: "assistant", content: "Hi" }, hello] }, 'first message must use the "user" role'],
  ["empty content", { messages: [{ role: "user", content: "" }] }, "messages.0: all messages must have non-empty content"],
  ["an empty text block", { messages: [{ role: "user", content: [{ type: "text", text: "" }] }] }, "text content blocks must be non-empty"],
  ["a prefill that ends in a space", { messages: [hello, { role: "assistant", content: "So: " }] }, "final assistant content cannot end with trailing whitespace"],
  ["a tool use that nobody answers", { messages: [hello, toolUse("t1"), hello] }, "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: t1"],
  ["a tool use at the end", { messages: [hello, toolUse("t1")] }, "without `tool_result` blocks immediately after: t1"],
  ["one of two tool uses unanswered", { messages: [hello, toolUse("t1", "t2"), { role: "user", content: [toolResult("t1")] }] }, "immediately after: t2"],
  ["a result behind text", { messages: [hello, toolUse("t1"), { role: "user", content: [{ type: "text", text: "Here:" }, toolResult("t1")] }] }, "immediately after: t1"],
  ["a result without a tool use", { messages: [{ role: "user", content: [toolResult("t9")] }] }, "unexpected `tool_use_id` found in `tool_result` blocks: t9"],
  ["two results for one tool use", { messages: [hello, toolUse("t1"), { role: "user", content: [toolResult("t1"), toolResult("t1")] }] }, "Found multiple `tool_result` blocks with id: t1"],
  ["tool use ids that repeat", { messages: [hello, toolUse("t1", "t1"), { role: "user", content: [toolResult("t1")] }] }, "`tool_use` ids must be unique"],
  ["a tool name with a dot", { tools: [{ name: "a.b", input_schema: { type: "object" } }] }, "tools.0.custom.name: String should match pattern"],
  ["a tool without a schema", { tools: [{ name: "find" }] }, "tools.0.custom.input_schema: Field required"],
  ["two tools of one name", { tools: [{ name: "a", input_schema: { type: "object" } }, { name: "a", input_schema: { type: "object" } }] }, "Tool names must be unique"],
  ["a choice of a tool that is not there", { tools: [{ name: "a", input_schema: { type: "object" } }], tool_choice: { type: "tool", name: "b" } }, "Tool 'b' not found"],
  ["a temperature over 1", { temperature: 1.5 }, "temperature: range: 0..1"],
])("Anthropic refuses %s", async (_, overrides, message) => {
  expect(await ask("anthropic-messages", overrides)).toMatchObject({ status: 400, message: expect.stringContaining(message) });
});

test("Anthropic takes the results of one turn in several user messages", async () => {
  const messages = [hello, toolUse("t1", "t2"), { role: "user", content: [toolResult("t1")] }, { role: "user", content: [toolResult("t2")] }];

  expect(await ask("anthropic-messages", { messages })).toMatchObject({ status: 200 });
});

test.each([
  ["is missing", "", "anthropic-version: header is required"],
  ["is unknown", "2020-01-01", 'anthropic-version: "2020-01-01" is not a valid version'],
])("Anthropic refuses a request whose version %s", async (_, version, message) => {
  const simulator = createProviderSimulator({ clock: new VirtualClock() });

  const response = await simulator.fetch(requestOf("anthropic-messages", {}, { headers: { "anthropic-version": version } }));

  expect(await response.json()).toMatchObject({ error: { message } });
});

const toolCalls = (...ids: readonly string[]) => ({
  role: "assistant",
  content: null,
  tool_calls: ids.map((id) => ({ id, type: "function", function: { name: "find", arguments: "{}" } })),
});
const optionalField = { type: "object", properties: { q: { type: "string" }, page: { type: "integer" } }, required: ["q"], additionalProperties: false };
const openObject = { type: "object", properties: { at: { type: "object", properties: {} } }, required: ["at"], additionalProperties: false };

test.each<readonly [string, JsonObject, string, string | null]>([
  ["no model", { model: null }, "you must provide a model parameter", null],
  ["no messages", { messages: null }, "Missing required parameter: 'messages'.", "messages"],
  ["an empty list of messages", { messages: [] }, "Invalid 'messages': empty array", "messages"],
  ["a role that there is not", { messages: [{ role: "bot", content: "x" }] }, "Invalid value: 'bot'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.", "messages[0].role"],
  ["content that is null", { messages: [{ role: "user", content: null }] }, "Invalid value for 'content': expected a string, got null.", "messages.[0].content"],
  ["a tool message without a call", { messages: [hello, { role: "tool", tool_call_id: "c1", content: "x" }] }, "must be a response to a preceeding message with 'tool_calls'", "messages.[1].role"],
  ["a tool message without an id", { messages: [hello, toolCalls("c1"), { role: "tool", content: "x" }] }, "Missing required parameter: 'messages[2].tool_call_id'.", "messages[2].tool_call_id"],
  ["a call that nobody answers", { messages: [hello, toolCalls("c1", "c2"), { role: "tool", tool_call_id: "c1", content: "x" }, hello] }, "did not have response messages: c2", "messages.[3].role"],
  ["a call at the end", { messages: [hello, toolCalls("c1")] }, "did not have response messages: c1", "messages.[2].role"],
  ["a tool name with a dot", { tools: [{ type: "function", function: { name: "a.b" } }] }, "Invalid 'tools[0].function.name': string does not match pattern", "tools[0].function.name"],
  ["a tool choice without tools", { tool_choice: "required" }, "'tool_choice' is only allowed when 'tools' are specified.", "tool_choice"],
  ["both output limits", { max_tokens: 5, max_completion_tokens: 5 }, "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.", null],
  ["the older output limit for a reasoning model", { model: "gpt-5.2", max_tokens: 5 }, "Use 'max_completion_tokens' instead.", "max_tokens"],
  [
    "an optional field in a strict tool",
    { tools: [{ type: "function", function: { name: "find", strict: true, parameters: optionalField } }] },
    "Invalid schema for function 'find': In context=(), 'required' is required to be supplied and to be an array including every key in properties. Missing 'page'.",
    "tools[0].function.parameters",
  ],
  [
    "an open object in a strict answer",
    { response_format: { type: "json_schema", json_schema: { name: "place", strict: true, schema: openObject } } },
    "Invalid schema for response_format 'place': In context=('properties', 'at'), 'additionalProperties' is required to be supplied and to be false.",
    "response_format",
  ],
])("OpenAI chat refuses %s", async (_, overrides, message, param) => {
  expect(await ask("openai-chat", overrides)).toMatchObject({ status: 400, message: expect.stringContaining(message), param });
});

test.each<readonly [string, JsonObject, number, string]>([
  ["no model", { model: null }, 400, "Missing required parameter: 'model'."],
  ["no input", { input: null }, 400, 'One of "input" or "previous_response_id"'],
  ["a role that there is not", { input: [{ role: "tool", content: "x" }] }, 400, "Supported values are: 'assistant', 'system', 'developer', and 'user'."],
  ["an output without a call", { input: [{ type: "function_call_output", call_id: "c1", output: "x" }] }, 400, "No tool call found for function call output with call_id c1."],
  ["a call without an output", { input: [{ type: "function_call", call_id: "c1", name: "f", arguments: "{}" }] }, 400, "No tool output found for function call c1."],
  ["an output limit under 16", { max_output_tokens: 5 }, 400, "Expected a value >= 16, but got 5 instead."],
  ["an item that it does not have", { input: [{ type: "item_reference", id: "msg_x" }] }, 404, "Item with id 'msg_x' not found."],
  ["a response that it does not have", { previous_response_id: "resp_x" }, 400, "Previous response with id 'resp_x' not found."],
])("OpenAI responses refuse %s", async (_, overrides, status, message) => {
  expect(await ask("openai-responses", overrides)).toMatchObject({ status, message: expect.stringContaining(message) });
});
