import Anthropic, { AuthenticationError, BadRequestError, InternalServerError, NotFoundError, OverloadedError, PaymentRequiredError, PermissionDeniedError, RateLimitError } from "@anthropic-ai/sdk";
import { expect, test } from "vitest";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { createProviderSimulator } from "./provider-simulator.ts";
import { collect, serveForTest } from "./serve-for-test.testsuite.ts";
import { replyText, replyToolCall, type Script } from "./simulated-reply.ts";
import { toolResultsOf } from "./simulated-request.ts";

const hello = { model: "sim-model", max_tokens: 200, messages: [{ role: "user" as const, content: "Hello" }] };
const weatherTool = { name: "weather", input_schema: { type: "object" as const, properties: { city: { type: "string" } }, required: ["city"] } };

const weatherScript: Script = (request) => {
  const [result] = toolResultsOf(request);
  return result ? replyText(`It is ${result.text}.`) : { parts: [{ type: "text", text: "Let me look." }, { type: "tool-call", name: "weather", input: { city: "Oslo" } }] };
};

async function connect(options: Parameters<typeof serveForTest>[0] = {}): Promise<Anthropic> {
  const { url } = await serveForTest(options);
  return new Anthropic({ apiKey: "k", baseURL: url, maxRetries: 0 });
}

test("the official client creates a message that says it is simulated", async () => {
  const client = await connect({ script: () => replyText("Hi there.") });

  const { data, response } = await client.messages.create(hello).withResponse();

  expect(data).toMatchObject({ role: "assistant", content: [{ type: "text", text: "Hi there." }], stop_reason: "end_turn", usage: { output_tokens: 3 } });
  expect(data.id).toMatch(/^msg_sim_/);
  expect(response.headers.get("x-longhaul-simulated")).toBe("true");
  expect(Number(response.headers.get("anthropic-ratelimit-requests-remaining"))).toBeGreaterThan(0);
});

test("the older API with x-api-key gets the same answer", async () => {
  const { url } = await serveForTest();

  const response = await fetch(`${url}/messages`, {
    method: "POST",
    headers: { "x-api-key": "k", "anthropic-version": "2023-06-01" },
    body: JSON.stringify(hello),
  });

  expect(await response.json()).toMatchObject({ type: "message", stop_reason: "end_turn" });
});

test("the official client streams text and a tool call, and its helper puts the message together", async () => {
  const client = await connect({ script: weatherScript });

  const stream = client.messages.stream({ ...hello, tools: [weatherTool] });
  const types: string[] = [];
  for await (const event of stream) types.push(event.type);
  const message = await stream.finalMessage();

  expect(types[0]).toBe("message_start");
  expect(types.at(-1)).toBe("message_stop");
  expect(message.stop_reason).toBe("tool_use");
  expect(message.content).toMatchObject([{ type: "text", text: "Let me look." }, { type: "tool_use", name: "weather", input: { city: "Oslo" } }]);
});

test("a tool result goes back and is answered", async () => {
  const client = await connect({ script: weatherScript });
  const first = await client.messages.create({ ...hello, tools: [weatherTool] });
  const call = first.content.find((block) => block.type === "tool_use");

  const second = await client.messages.create({
    ...hello,
    tools: [weatherTool],
    messages: [
      ...hello.messages,
      { role: "assistant", content: first.content },
      { role: "user", content: [{ type: "tool_result", tool_use_id: call?.id ?? "", content: "raining" }] },
    ],
  });

  expect(second.content).toMatchObject([{ type: "text", text: "It is raining." }]);
});

test("an answer over the output limit is cut, and says so", async () => {
  const client = await connect({ script: () => replyText("x".repeat(100)) });

  const message = await client.messages.create({ ...hello, max_tokens: 5 });

  expect(message).toMatchObject({ content: [{ text: "x".repeat(20) }], stop_reason: "max_tokens", usage: { output_tokens: 5 } });
});

test("a tool call over the output limit streams as arguments that end too early", async () => {
  const client = await connect({ script: () => replyToolCall("weather", { city: "A city with a name that goes on and on" }) });

  const events = await collect(await client.messages.create({ ...hello, max_tokens: 4, tools: [weatherTool], stream: true }));

  expect(JSON.stringify(events)).toContain('"partial_json":"{\\"city\\":\\"A city');
  expect(events).toContainEqual(expect.objectContaining({ type: "message_delta", delta: expect.objectContaining({ stop_reason: "max_tokens" }) }));
});

test("tokens are counted without a call to the model", async () => {
  const client = await connect();

  const { input_tokens } = await client.messages.countTokens({ model: "sim-model", messages: [{ role: "user", content: "x".repeat(400) }] });

  expect(input_tokens).toBeGreaterThanOrEqual(100);
  expect(input_tokens).toBeLessThan(130);
});

test("models are listed and found", async () => {
  const client = await connect();

  const ids = (await collect(client.models.list())).map((model) => model.id);

  expect(ids).toContain("sim-429");
  expect((await client.models.retrieve("sim-cut")).display_name).toBe("Simulated sim-cut");
  await expect(client.models.retrieve("no-such-model")).rejects.toBeInstanceOf(NotFoundError);
});

test.each([
  [400, BadRequestError, "invalid_request_error"],
  [401, AuthenticationError, "authentication_error"],
  [402, PaymentRequiredError, "billing_error"],
  [403, PermissionDeniedError, "permission_error"],
  [404, NotFoundError, "not_found_error"],
  [429, RateLimitError, "rate_limit_error"],
  [500, InternalServerError, "api_error"],
  [529, OverloadedError, "overloaded_error"],
] as const)("the model sim-%i makes the client throw its own error class", async (status, errorClass, type) => {
  const client = await connect();

  const failure: unknown = await client.messages.create({ ...hello, model: `sim-${status}` }).catch((thrown: unknown) => thrown);

  expect(failure).toBeInstanceOf(errorClass);
  expect(failure).toMatchObject({ status, type, requestID: "req_sim_1" });
});

test("an account out of money answers 429 with an error code of its own", async () => {
  const client = await connect();

  await expect(client.messages.create({ ...hello, model: "sim-quota" })).rejects.toMatchObject({ status: 429, errorCode: "enforced_spend_limit_reached" });
});

test("the official client works in process, without a socket", async () => {
  const simulator = createProviderSimulator({ clock: new VirtualClock(), script: () => replyText("Hi there.") });
  const client = new Anthropic({ apiKey: "k", baseURL: "http://simulated.example", maxRetries: 0, fetch: simulator.fetch });

  const events = await collect(await client.messages.create({ ...hello, stream: true }));

  expect(JSON.stringify(events)).toContain("Hi there.");
  expect(simulator.receipts()).toMatchObject([{ outcome: "completed" }]);
});
