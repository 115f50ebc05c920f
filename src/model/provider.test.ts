import type { LanguageModelV4, LanguageModelV4CallOptions, LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { APICallError } from "@ai-sdk/provider";
import { convertArrayToReadableStream, MockLanguageModelV4 } from "ai/test";
import { expect, test } from "vitest";
import { VirtualClock } from "../base/virtual-clock.ts";
import type { Message } from "../record/message.ts";
import { fixedPrice } from "./model-price.ts";
import { modelRequest, type ModelScenario, testModel } from "./model.testsuite.ts";
import { languageModel } from "./provider.ts";
import { finishPart, partsOf, textParts, usageOf } from "./v4-parts.testsuite.ts";

testModel({ name: "AI SDK mock", create: (scenario, clock) => ({ model: languageModel(mockOf(scenario), { clock }) }) });
testModel({
  name: "AI SDK mock with a price",
  create: (scenario, clock) => ({ model: languageModel(mockOf(scenario), { clock, price: fixedPrice({ input: 2, output: 10, cacheWrite: 2.5 }) }) }),
});

function mockOf(scenario: ModelScenario): LanguageModelV4 {
  const error = (statusCode: number, responseHeaders: Record<string, string>) =>
    new APICallError({ message: "refused", url: "http://127.0.0.1", requestBodyValues: {}, statusCode, responseHeaders });
  return new MockLanguageModelV4({
    provider: "mock.chat",
    modelId: "m1",
    doStream: () => {
      if (scenario.answer === "throttled") throw error(429, { "retry-after": String(scenario.afterMs / 1000) });
      if (scenario.answer === "unauthorized") throw error(401, {});
      // A model that ignores the signal and never answers.
      if (scenario.answer === "hang") return new Promise(() => undefined);
      return Promise.resolve({ stream: convertArrayToReadableStream([...partsOf(scenario)]) });
    },
  });
}

function modelOf(parts: readonly LanguageModelV4StreamPart[]) {
  const mock = new MockLanguageModelV4({ provider: "mock.chat", modelId: "m1", doStream: () => Promise.resolve({ stream: convertArrayToReadableStream([...parts]) }) });
  return { mock, model: languageModel(mock, { clock: new VirtualClock() }) };
}

test("a call carries the limit of output tokens, the idempotency key, the tools and the options", async () => {
  const { mock, model } = modelOf(textParts("three"));

  await model.complete(modelRequest({ outputTokensMax: 77, idempotencyKey: "r1/s1", temperature: 0.2, toolChoice: "required", providerOptions: { anthropic: { effort: "low" } } }));

  const call: LanguageModelV4CallOptions | undefined = mock.doStreamCalls[0];
  expect(call).toMatchObject({ maxOutputTokens: 77, headers: { "idempotency-key": "r1/s1" }, temperature: 0.2, toolChoice: { type: "required" }, providerOptions: { anthropic: { effort: "low" } } });
  expect(call?.tools?.map((tool) => tool.name)).toEqual(["add"]);
});

test("default options of a provider give way, field by field, to those of the request", async () => {
  const { mock } = modelOf(textParts("three"));
  const model = languageModel(mock, { clock: new VirtualClock(), providerOptions: { openai: { store: false, user: "a" } } });

  await model.complete(modelRequest({ providerOptions: { openai: { user: "b" } } }));

  expect(mock.doStreamCalls[0]?.providerOptions).toEqual({ openai: { store: false, user: "b" } });
});

test("signatures of reasoning come back with the next request", async () => {
  const { mock, model } = modelOf([
    { type: "reasoning-start", id: "0", providerMetadata: { anthropic: { kind: "thinking" } } },
    { type: "reasoning-delta", id: "0", delta: "hm" },
    { type: "reasoning-delta", id: "0", delta: "", providerMetadata: { anthropic: { signature: "sig" } } },
    { type: "reasoning-end", id: "0" },
    { type: "reasoning-start", id: "1", providerMetadata: { anthropic: { redactedData: "secret" } } },
    { type: "reasoning-end", id: "1" },
    { type: "tool-call", toolCallId: "c1", toolName: "add", input: "{}", providerMetadata: { openai: { itemId: "fc_1" } } },
    finishPart("tool-calls"),
  ]);

  const { message } = await model.complete(modelRequest());
  expect(message.parts[0]).toEqual({ type: "reasoning", text: "hm", providerOptions: { anthropic: { kind: "thinking", signature: "sig" } } });

  const messages: readonly Message[] = [{ role: "user", text: "go" }, message];
  await model.complete(modelRequest({ messages }));

  expect(mock.doStreamCalls[1]?.prompt[1]).toEqual({
    role: "assistant",
    content: [
      { type: "reasoning", text: "hm", providerOptions: { anthropic: { kind: "thinking", signature: "sig" } } },
      { type: "reasoning", text: "", providerOptions: { anthropic: { redactedData: "secret" } } },
      { type: "tool-call", toolCallId: "c1", toolName: "add", input: {}, providerOptions: { openai: { itemId: "fc_1" } } },
    ],
  });
});

test("tool input that is not JSON is kept as text, and no input is no arguments", async () => {
  const { model } = modelOf([
    { type: "tool-call", toolCallId: "", toolName: "add", input: '{"a": 1,' },
    { type: "tool-call", toolCallId: "", toolName: "add", input: "" },
    { type: "tool-call", toolCallId: "x", toolName: "web_search", input: "{}", providerExecuted: true },
    finishPart("stop"),
  ]);

  const { message, finishReason } = await model.complete(modelRequest());

  expect(message.parts).toEqual([
    { type: "tool-call", callId: "call", toolName: "add", input: '{"a": 1,' },
    { type: "tool-call", callId: "call_2", toolName: "add", input: {} },
  ]);
  expect(finishReason).toBe("tool-calls");
});

test("usage, model and id of the answer are kept, and the cost counts the cache", async () => {
  const { mock } = modelOf([{ type: "response-metadata", id: "msg_1", modelId: "m1-2026" }, ...textParts("three", usageOf(1000, 10, 600, 300))]);
  const model = languageModel(mock, { clock: new VirtualClock(), id: "acme/m1", price: fixedPrice({ input: 2, output: 10, cacheRead: 0.2, cacheWrite: 2.5 }) });

  const completion = await model.complete(modelRequest());

  expect(completion).toMatchObject({
    responseId: "msg_1",
    responseModel: "m1-2026",
    usage: { inputTokens: 1000, outputTokens: 10, cacheReadTokens: 600, cacheWriteTokens: 300, reasoningTokens: 0 },
    costMicroUsd: 100 * 2 + 600 * 0.2 + 300 * 2.5 + 10 * 10,
  });
  expect(model).toMatchObject({ id: "acme/m1", provider: "acme", simulated: false });
});

test("a provider that reports no usage is counted by characters", async () => {
  const nothing = { inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined }, outputTokens: { total: undefined, text: undefined, reasoning: undefined } };
  const { usage } = await modelOf(textParts("three", nothing)).model.complete(modelRequest());

  expect(usage.inputTokens).toBeGreaterThan(10);
  expect(usage.outputTokens).toBeGreaterThan(0);
});

test("who watches the live text cannot break the call", async () => {
  const { model } = modelOf(textParts("three"));
  const onDelta = (): void => {
    throw new Error("no one is listening");
  };

  await expect(model.complete(modelRequest({ onDelta }))).resolves.toMatchObject({ finishReason: "stop" });
});
