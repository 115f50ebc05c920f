import OpenAI, { AuthenticationError, BadRequestError, InternalServerError, NotFoundError, PermissionDeniedError, RateLimitError } from "openai";
import { expect, test } from "vitest";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { createProviderSimulator } from "./provider-simulator.ts";
import { collect, serveForTest } from "./serve-for-test.testsuite.ts";
import { replyRefusal, replyText, replyToolCall, type Script } from "./simulated-reply.ts";
import { toolResultsOf } from "./simulated-request.ts";

const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const chatTool = { type: "function" as const, function: { name: "weather", parameters } };
const responsesTool = { type: "function" as const, name: "weather", parameters, strict: true };
const chat = { model: "gpt-4o", messages: [{ role: "user" as const, content: "Hello" }] };

const weatherScript: Script = (request) => {
  const [result] = toolResultsOf(request);
  return result ? replyText(`It is ${result.text}.`) : replyToolCall("weather", { city: "Oslo" });
};

async function connect(options: Parameters<typeof serveForTest>[0] = {}): Promise<OpenAI> {
  const { url } = await serveForTest(options);
  return new OpenAI({ apiKey: "k", baseURL: `${url}/v1`, maxRetries: 0 });
}

test("the official client creates a chat completion that says it is simulated", async () => {
  const client = await connect({ script: () => replyText("Hi there.") });

  const { data, response } = await client.chat.completions.create(chat).withResponse();

  expect(data).toMatchObject({ choices: [{ message: { content: "Hi there." }, finish_reason: "stop" }], usage: { completion_tokens: 3 }, system_fingerprint: "fp_sim_longhaul" });
  expect(response.headers.get("x-longhaul-simulated")).toBe("true");
  expect(response.headers.get("x-ratelimit-remaining-requests")).toBe("3999");
});

test("chat completions call a tool and take its result", async () => {
  const client = await connect({ script: weatherScript });
  const first = await client.chat.completions.create({ ...chat, tools: [chatTool] });
  const message = first.choices[0]?.message;
  const call = message?.tool_calls?.[0];
  if (!message || call?.type !== "function") throw new Error("no tool call came");

  const second = await client.chat.completions.create({ ...chat, tools: [chatTool], messages: [...chat.messages, message, { role: "tool", tool_call_id: call.id, content: "raining" }] });

  expect(JSON.parse(call.function.arguments)).toEqual({ city: "Oslo" });
  expect(first.choices[0]?.finish_reason).toBe("tool_calls");
  expect(second.choices[0]?.message.content).toBe("It is raining.");
});

test("chat completions stream, and the client's helper puts text, tool call and usage together", async () => {
  const client = await connect({ script: () => ({ parts: [{ type: "text", text: "Let me look that up for you now." }, { type: "tool-call", name: "weather", input: { city: "Oslo" } }] }) });

  const completion = await client.chat.completions.stream({ ...chat, tools: [chatTool], stream_options: { include_usage: true } }).finalChatCompletion();

  expect(completion.choices[0]?.message).toMatchObject({ content: "Let me look that up for you now.", tool_calls: [{ function: { arguments: '{"city":"Oslo"}' } }] });
  expect(completion.usage?.total_tokens).toBeGreaterThan(0);
});

test("the official client creates a response, calls a tool and goes on by the previous response's id", async () => {
  const client = await connect({ script: weatherScript });

  const first = await client.responses.create({ model: "gpt-5.2", input: "Weather?", instructions: "Be brief.", tools: [responsesTool] });
  const call = first.output[0];
  if (call?.type !== "function_call") throw new Error("no tool call came");
  const second = await client.responses.create({
    model: "gpt-5.2",
    previous_response_id: first.id,
    input: [{ type: "function_call_output", call_id: call.call_id, output: "raining" }],
  });

  expect(first).toMatchObject({ status: "completed", instructions: "Be brief." });
  expect(second.output_text).toBe("It is raining.");
});

test("responses stream, and the client's helper puts the response together", async () => {
  const client = await connect({ script: () => replyText("A reply that is long enough for more than one event.") });

  const stream = client.responses.stream({ model: "gpt-5.2", input: "Hello" });
  const events = await collect(stream);

  expect(events.filter((event) => event.type === "response.output_text.delta").length).toBeGreaterThan(1);
  expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
  expect((await stream.finalResponse()).output_text).toBe("A reply that is long enough for more than one event.");
});

test("an answer over the output limit is incomplete, and says so", async () => {
  const client = await connect({ script: () => replyText("x".repeat(100)) });

  const response = await client.responses.create({ model: "gpt-5.2", input: "Hello", max_output_tokens: 16 });
  const completion = await client.chat.completions.create({ ...chat, max_completion_tokens: 5 });

  expect(response).toMatchObject({ status: "incomplete", incomplete_details: { reason: "max_output_tokens" }, output_text: "x".repeat(64) });
  expect(completion).toMatchObject({ choices: [{ finish_reason: "length", message: { content: "x".repeat(20) } }], usage: { completion_tokens: 5 } });
});

test("a refusal is a content filter in both APIs", async () => {
  const client = await connect({ script: () => replyRefusal("I cannot help with that.") });

  const response = await client.responses.create({ model: "gpt-5.2", input: "Hello" });
  const completion = await client.chat.completions.create(chat);

  expect(response.incomplete_details).toEqual({ reason: "content_filter" });
  expect(completion.choices[0]?.finish_reason).toBe("content_filter");
});

test("models are listed", async () => {
  const client = await connect();

  const ids = (await collect(client.models.list())).map((model) => model.id);

  expect(ids).toContain("sim-hang");
});

test.each([
  [400, BadRequestError, null],
  [401, AuthenticationError, "invalid_api_key"],
  [403, PermissionDeniedError, "insufficient_permissions"],
  [404, NotFoundError, "not_found"],
  [429, RateLimitError, "rate_limit_exceeded"],
  [500, InternalServerError, null],
  [503, InternalServerError, "server_overloaded"],
] as const)("the model sim-%i makes the client throw its own error class", async (status, errorClass, code) => {
  const client = await connect();

  const failures = await Promise.all([
    client.responses.create({ model: `sim-${status}`, input: "Hello" }).catch((thrown: unknown) => thrown),
    client.chat.completions.create({ ...chat, model: `sim-${status}` }).catch((thrown: unknown) => thrown),
  ]);

  for (const failure of failures) {
    expect(failure).toBeInstanceOf(errorClass);
    expect(failure).toMatchObject({ status, code });
  }
});

test("an account out of money answers 429 insufficient_quota", async () => {
  const client = await connect();

  await expect(client.chat.completions.create({ ...chat, model: "sim-quota" })).rejects.toMatchObject({ status: 429, code: "insufficient_quota", type: "insufficient_quota" });
});

test("the official client works in process, without a socket", async () => {
  const simulator = createProviderSimulator({ clock: new VirtualClock(), script: () => replyText("Hi there.") });
  const client = new OpenAI({ apiKey: "k", baseURL: "http://simulated.example/v1", maxRetries: 0, fetch: simulator.fetch });

  const events = await collect(await client.responses.create({ model: "gpt-5.2", input: "Hello", stream: true }));

  expect(JSON.stringify(events)).toContain("Hi there.");
  expect(simulator.receipts()).toMatchObject([{ outcome: "completed" }]);
});
