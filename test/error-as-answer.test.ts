import { describe, expect, test } from "vitest";
import { isLonghaulError } from "../src/base/error.ts";
import { VirtualClock } from "../src/base/virtual-clock.ts";
import { textOf } from "../src/record/message.ts";
import { createProviderSimulator } from "../src/lab/provider/provider-simulator.ts";
import { replyText } from "../src/lab/provider/simulated-reply.ts";
import { asLanguageModel } from "../src/model/as-language-model.ts";
import { assertAnswer } from "../src/model/false-answer.ts";
import { durableLanguageModel } from "../src/model/durable-language-model.ts";
import { modelRequest } from "../src/model/model.testsuite.ts";
import { createModelRegistry } from "../src/model/registry.ts";
import type { Usage } from "../src/record/usage.ts";
import { isUnbilled } from "../src/run/model-money.ts";

const references = ["anthropic/claude-opus-5-5", "openai/gpt-5.2", "ollama/llama3"];

async function failureOf(reference: string, body: string, type: string): Promise<unknown> {
  const provider = reference.split("/")[0] ?? "";
  const endpoint = { baseUrl: "http://gateway.test/v1", apiKey: "k", fetch: async () => new Response(body, { status: 200, headers: { "content-type": type } }) };
  const model = await createModelRegistry({ clock: new VirtualClock(), secret: () => undefined, endpoints: { [provider]: endpoint } }).resolve(reference);
  return await model.complete(modelRequest()).catch((error: unknown) => error);
}

/** Answers with this text through the provider simulator; tokens as reported. */
async function answerOf(reference: string, text: string, outputTokens?: number): Promise<unknown> {
  const clock = new VirtualClock();
  const simulator = createProviderSimulator({ clock, script: () => ({ ...replyText(text), ...(outputTokens === undefined ? {} : { usage: { outputTokens } }) }) });
  const provider = reference.split("/")[0] ?? "";
  const model = await createModelRegistry({ clock, secret: () => undefined, endpoints: { [provider]: { baseUrl: "http://simulator.test/v1", simulated: true, fetch: (request) => simulator.fetch(request) } } }).resolve(reference);
  const completion = model.complete(modelRequest()).then(({ message }) => textOf(message));
  const durable = Promise.resolve(
    durableLanguageModel(asLanguageModel(model), (_, body) => body(), { clock, id: reference }).doGenerate({ prompt: [{ role: "user", content: [{ type: "text", text: "Hi" }] }] }),
  ).then(({ content }) => content.map((part) => ("text" in part ? part.text : "")).join(""));
  const [first, second] = await Promise.all([completion.catch((error: unknown) => error), durable.catch((error: unknown) => error)]);
  expect(isLonghaulError(second) ? second.code : second).toEqual(isLonghaulError(first) ? first.code : first);
  return first;
}

const envelope = JSON.stringify({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } });

describe.each(references)("a gateway in front of %s that answers with status 200", (reference) => {
  test.each([
    ["a line of text", "Internal Server Error", "text/plain", /MODEL_TRANSIENT/],
    ["a page", "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>", "text/html", /MODEL_TRANSIENT/],
    ["an error in JSON", envelope, "application/json", /MODEL_(TRANSIENT|OVERLOADED)/],
    ["an error in JSON called a stream", envelope, "text/event-stream", /MODEL_(TRANSIENT|OVERLOADED)/],
    ["nothing", "", "text/event-stream", /MODEL_TRANSIENT/],
    ["nothing but an end", "data: [DONE]\n\n", "text/event-stream", /MODEL_TRANSIENT/],
  ])("%s has not answered", async (_, body, type, code) => {
    expect(await failureOf(reference, body, type)).toMatchObject({ code: expect.stringMatching(code), retry: "backoff" });
  });
});

describe.each(references)("an answer of %s over the provider simulator", (reference) => {
  test.each([
    [envelope, "MODEL_OVERLOADED"],
    [JSON.stringify({ error: { message: "You exceeded your current quota", type: "insufficient_quota", code: "insufficient_quota", param: null } }), "MODEL_BILLING"],
    [JSON.stringify({ error: { message: "The server had an error", type: "server_error", code: null } }), "MODEL_TRANSIENT"],
  ])("that is the error %s and took no token is that error", async (text, code) => {
    expect(await answerOf(reference, text, 0)).toMatchObject({ code, details: { isNoAnswer: true } });
  });

  test("is what a model used tokens for, though it reads like an error: it was paid for", async () => {
    expect(await answerOf(reference, envelope)).toBe(envelope);
  });

  test("for which no token was used is none", async () => {
    expect(await answerOf(reference, "API Error: 529 overloaded", 0)).toMatchObject({ code: "MODEL_TRANSIENT", retry: "backoff", message: expect.stringMatching(/used no token for its answer.*report no usage at all/) });
  });

  test.each(["Bad Gateway", '{"error":"none"}', '{"error":{"message":"m","type":"t"},"advice":"x"}', "{not JSON}", "An Internal Server Error means that the server failed."])("%s stays what it is", async (text) => {
    expect(await answerOf(reference, text)).toBe(text);
  });
});

describe("a gateway that counts no tokens", () => {
  const said = (content: string): string => [{ choices: [{ index: 0, delta: { role: "assistant", content } }] }, { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }].map((chunk) => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", ...chunk })}\n\n`).join("") + "data: [DONE]\n\n";

  test.each(["Internal Server Error", "502 Bad Gateway", "Error: 503 Service Unavailable", "upstream connect error or disconnect/reset before headers. reset reason: overflow", "error code: 1015", "no healthy upstream", "<html><head><title>504</title></head></html>", "API Error: 529 {\"type\":\"error\"}"])("and says %s has not answered", async (text) => {
    expect(await failureOf("ollama/llama3", said(text), "text/event-stream")).toMatchObject({ code: "MODEL_TRANSIENT", message: expect.stringContaining("the error of a gateway") });
  });

  test.each(["The service is unavailable to no one.", "Bad Gateway is what status 502 says.", "An error: 502 of 600 tests failed."])("and says %s has", async (text) => {
    expect(await failureOf("ollama/llama3", said(text), "text/event-stream")).toMatchObject({ finishReason: "stop" });
  });

  test("or zero of everything has answered all the same, and is counted by characters", async () => {
    const text = "The capital of France is Paris, and here is why.";
    const usage = JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [], usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 } });
    const body = said(text).replace("data: [DONE]", `data: ${usage}\n\ndata: [DONE]`);

    const completion = (await failureOf("ollama/llama3", body, "text/event-stream")) as { readonly usage: Usage };
    expect(completion).toMatchObject({ finishReason: "stop" });
    expect(completion.usage.outputTokens).toBeGreaterThanOrEqual(Math.ceil(text.length / 4));
    expect(completion.usage.inputTokens).toBeGreaterThan(0);
    expect(await failureOf("ollama/llama3", body.replace(text, "Bad Gateway"), "text/event-stream")).toMatchObject({ code: "MODEL_TRANSIENT" });
  });
});

test("of an answer that is none the prompt that was counted is paid, and what nobody counted is given back", async () => {
  const noAnswer = (inputTokens: number | undefined): unknown => {
    const usage = { inputTokens: { total: inputTokens, noCache: undefined, cacheRead: undefined, cacheWrite: undefined }, outputTokens: { total: 0, text: 0, reasoning: 0 } };
    const text = JSON.stringify({ error: { type: "billing_error", message: "Your credit balance is too low" } });
    try {
      return assertAnswer({ role: "assistant", parts: [{ type: "text", text }] }, usage, { model: "anthropic/m", provider: "anthropic", nowMs: 0 });
    } catch (error) {
      return error;
    }
  };

  expect(noAnswer(900)).toMatchObject({ code: "MODEL_BILLING" });
  expect(isUnbilled(noAnswer(900))).toBe(false);
  expect(isUnbilled(noAnswer(undefined))).toBe(true);
});
