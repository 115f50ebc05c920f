import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { macrotask } from "../base/turn.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import { textOf } from "../record/message.ts";
import { anthropicBeginning, anthropicEnd, chatChunk, sendEvents, sendJson, startWireServer, type WireServer } from "./wire-server.testsuite.ts";
import { modelRequest } from "./model.testsuite.ts";
import type { Model } from "./model.ts";
import { createModelRegistry } from "./registry.ts";

const clock = new VirtualClock(Date.UTC(2026, 0, 15, 10, 0, 0));
const references = { anthropic: "anthropic/claude-opus-5-5", openai: "openai/gpt-5.2", ollama: "ollama/llama3" } as const;
type Provider = keyof typeof references;
const providers = Object.keys(references) as Provider[];

/** The real library of a provider, against a real server. */
async function serve(provider: Provider, answer: (response: ServerResponse) => void): Promise<WireServer & { readonly model: Model }> {
  const server = await startWireServer(answer);
  const registry = createModelRegistry({ clock, secret: () => undefined, endpoints: { [provider]: { baseUrl: server.url, apiKey: "key-of-the-test-123" } } });
  return { ...server, model: await registry.resolve(references[provider]) };
}

async function failureOf(provider: Provider, answer: (response: ServerResponse) => void): Promise<unknown> {
  const { model } = await serve(provider, answer);
  return model.complete(modelRequest()).catch((error: unknown) => error);
}

const bodies = {
  anthropic: (type: string, message: string) => ({ type: "error", error: { type, message }, request_id: "req_1" }),
  openai: (type: string, message: string) => ({ error: { message, type, param: null, code: type } }),
  ollama: (type: string, message: string) => ({ error: { message, type, param: null, code: type } }),
} as const;

test.each(providers)("%s: the same failures are told apart on every wire", async (provider) => {
  const body = bodies[provider];
  const failed = (status: number, type: string, message: string, headers: Record<string, string> = {}) => failureOf(provider, (response) => sendJson(response, status, body(type, message), headers));

  expect(await failed(401, "authentication_error", "wrong key-of-the-test-123")).toMatchObject({ code: "MODEL_AUTH", retry: "never", message: expect.not.stringContaining("key-of-the-test-123") as string });
  expect(await failed(429, "rate_limit_error", "slow down", { "retry-after": "Thu, 15 Jan 2026 10:00:30 GMT" })).toMatchObject({ code: "MODEL_THROTTLED", retry: { afterMs: 30_000 }, details: { status: 429 } });
  expect(await failed(429, "insufficient_quota", "You exceeded your current quota")).toMatchObject({ code: "MODEL_BILLING", retry: "never" });
  expect(await failed(400, "invalid_request_error", "prompt is too long: 300000 tokens > 200000 maximum")).toMatchObject({ code: "MODEL_CONTEXT_OVERFLOW" });
  expect(await failed(404, "not_found_error", "no such model")).toMatchObject({ code: "MODEL_INVALID" });
  expect(await failed(500, "api_error", "oops")).toMatchObject({ code: "MODEL_TRANSIENT", retry: "backoff" });
  expect(await failed(529, "overloaded_error", "Overloaded")).toMatchObject({ code: "MODEL_OVERLOADED" });
});

test.each(providers)("%s: a page instead of JSON, an empty answer and a broken connection are transient", async (provider) => {
  const page = await failureOf(provider, (response) => response.writeHead(502, { "content-type": "text/html" }).end("<html>Bad Gateway</html>"));
  const empty = await failureOf(provider, (response) => response.writeHead(200, { "content-type": "text/event-stream" }).end());
  const broken = await failureOf(provider, (response) => response.destroy());

  for (const error of [page, empty, broken]) expect(error).toMatchObject({ code: "MODEL_TRANSIENT", retry: "backoff" });
  expect(page).toMatchObject({ details: { status: 502, excerpt: "<html>Bad Gateway</html>" } });
});

test("a server that is not there is transient", async () => {
  const registry = createModelRegistry({ clock, secret: () => undefined, endpoints: { ollama: { baseUrl: "http://127.0.0.1:9/v1" } } });

  await expect((await registry.resolve("ollama/llama3")).complete(modelRequest())).rejects.toMatchObject({ code: "MODEL_TRANSIENT", retry: "backoff", details: { status: null } });
});

test.each([
  ["anthropic", anthropicBeginning],
  ["ollama", [chatChunk({ role: "assistant", content: "thr" })]],
] as const)("%s: a stream that is cut in the middle is transient", async (provider, events) => {
  for (const cut of [(response: ServerResponse) => response.end(), (response: ServerResponse) => response.destroy()]) {
    const error = await failureOf(provider, (response) => {
      sendEvents(response, events);
      response.write(": keep-alive\n\n", () => cut(response));
    });
    expect(error).toMatchObject({ code: "MODEL_TRANSIENT", retry: "backoff" });
  }
});

test.each([
  ["anthropic", [], { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }, "MODEL_OVERLOADED"],
  ["anthropic", anthropicBeginning, { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }, "MODEL_OVERLOADED"],
  ["anthropic", anthropicBeginning, { type: "error", error: { type: "rate_limit_error", message: "Slow down" } }, "MODEL_THROTTLED"],
  ["openai", [], { type: "error", sequence_number: 1, error: { type: "insufficient_quota", code: "insufficient_quota", message: "You exceeded your current quota", param: null } }, "MODEL_BILLING"],
  ["ollama", [chatChunk({ role: "assistant", content: "thr" })], { error: { message: "server is overloaded", type: "overloaded_error" } }, "MODEL_OVERLOADED"],
] as const)("%s: an error after status 200 and %j keeps its class", async (provider, beginning, event, code) => {
  const error = await failureOf(provider, (response) => {
    sendEvents(response, [...beginning, event]);
    response.end();
  });

  expect(error).toMatchObject({ code });
});

test("an answer comes whole through the real library, with usage, cost and the headers of the request", async () => {
  const { model, requests } = await serve("anthropic", (response) => {
    sendEvents(response, [...anthropicBeginning, ...anthropicEnd]);
    response.end();
  });

  const completion = await model.complete(modelRequest({ outputTokensMax: 512 }));

  expect(textOf(completion.message)).toBe("three");
  expect(completion).toMatchObject({ responseId: "msg_1", responseModel: "claude-opus-5-5", finishReason: "stop", usage: { inputTokens: 25, outputTokens: 9, cacheReadTokens: 5 } });
  expect(completion.costMicroUsd).toBe(20 * 4 + 5 * 0.2 + 9 * 20);
  expect(requests[0]).toMatchObject({ path: "/v1/messages", headers: { "x-api-key": "key-of-the-test-123", "idempotency-key": "run/step" }, body: { max_tokens: 512, stream: true, system: [{ text: "Be brief." }] } });
});

test("keep-alive comments of a real stream do not count as content", async () => {
  const virtual = new VirtualClock();
  const server = await startWireServer((response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write('event: ping\ndata: {"type":"ping"}\n\n');
    response.write(": keep-alive\n\n");
  });
  const registry = createModelRegistry({ clock: virtual, secret: () => undefined, endpoints: { anthropic: { baseUrl: server.url, apiKey: "key" } } });
  const model = await registry.resolve("anthropic/claude-opus-5-5");

  const failing = model.complete(modelRequest()).catch((error: unknown) => error);
  await virtual.advance(60_000);

  expect(await failing).toMatchObject({ code: "MODEL_TIMEOUT", details: { limit: "firstChunkMs" } });
});

test("a call that is given up closes its connection, also after a garbage collection", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const asked = Promise.withResolvers<ServerResponse>();
  const { model } = await serve("anthropic", asked.resolve);
  const caller = new AbortController();

  const failing = model.complete(modelRequest({ signal: caller.signal })).catch((error: unknown) => error);
  const closed = once(await asked.promise, "close");
  for (let round = 0; round < 5; round++) {
    await macrotask();
    collectGarbage();
  }
  caller.abort();

  await closed;
  expect(await failing).toBeInstanceOf(Error);
});

test("broken tool arguments of a real stream are kept as text", async () => {
  const { model } = await serve("ollama", (response) => {
    sendEvents(response, [chatChunk({ tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: "add", arguments: '{"a": 1, "b"' } }] }), chatChunk({}, "tool_calls")]);
    response.end("data: [DONE]\n\n");
  });

  const { message } = await model.complete(modelRequest());

  expect(message.parts).toMatchObject([{ type: "tool-call", callId: "call_1", toolName: "add", input: '{"a": 1, "b"' }]);
});
