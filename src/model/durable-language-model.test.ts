import type { LanguageModelV4, LanguageModelV4Content, LanguageModelV4GenerateResult, LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { generateText, isStepCount, streamText, tool, ToolLoopAgent } from "ai";
import { convertArrayToReadableStream, MockLanguageModelV4 } from "ai/test";
import { expect, test } from "vitest";
import { z } from "zod";
import { VirtualClock } from "../base/virtual-clock.ts";
import type { Json } from "../base/json.ts";
import { durableLanguageModel, readDurableAnswer, type RunModelStep } from "./durable-language-model.ts";
import { finishPart, textParts, usageOf } from "./v4-parts.testsuite.ts";

/** A journal: what was stored is served, and only what is missing is executed. */
function journal(): { readonly entries: Json[]; readonly open: () => RunModelStep } {
  const entries: Json[] = [];
  return {
    entries,
    open() {
      let position = 0;
      return async (_, body) => {
        const index = position++;
        // What is journaled is text: nothing but JSON survives.
        const known = entries[index];
        const stored = known ?? (JSON.parse(JSON.stringify(await body({ headers: { "idempotency-key": `step-${index}` } }))) as Json);
        entries[index] = stored;
        return stored;
      };
    },
  };
}

const clock = new VirtualClock();
const metadata = { anthropic: { signature: "sig", list: [1, null] } };
const bytes = new Uint8Array([1, 2, 255]);

const contents: readonly LanguageModelV4Content[] = [
  { type: "text", text: "hi", citations: [{ source: { type: "source", sourceType: "url", id: "1", url: "https://example.org" }, startIndex: 0 }], providerMetadata: metadata },
  { type: "reasoning", text: "hm", providerMetadata: metadata },
  { type: "custom", kind: "anthropic.fallback", providerMetadata: metadata },
  { type: "reasoning-file", mediaType: "image/png", data: { type: "data", data: bytes } },
  { type: "file", mediaType: "image/png", data: { type: "url", url: new URL("https://example.org/a.png") } },
  { type: "tool-approval-request", approvalId: "a", toolCallId: "c" },
  { type: "source", sourceType: "document", id: "2", mediaType: "text/plain", title: "t", filename: "f" },
  { type: "tool-call", toolCallId: "c", toolName: "add", input: "{", providerExecuted: true, dynamic: true },
  { type: "tool-result", toolCallId: "c", toolName: "add", result: { sum: 3 }, isError: false, preliminary: true },
];

const streamOnly: readonly LanguageModelV4StreamPart[] = [
  { type: "stream-start", warnings: [{ type: "other", message: "w" }] },
  { type: "response-metadata", id: "r", modelId: "m-1", timestamp: new Date(1_790_000_000_000) },
  { type: "raw", rawValue: { nested: [undefined, 1n] } },
  { type: "reasoning-start", id: "r1", providerMetadata: metadata },
  { type: "reasoning-delta", id: "r1", delta: "hm" },
  { type: "reasoning-delta", id: "r1", delta: "", providerMetadata: metadata },
  { type: "reasoning-end", id: "r1" },
  { type: "text-start", id: "t1" },
  { type: "text-delta", id: "t1", delta: "hello" },
  { type: "text-end", id: "t1", citations: [] },
  { type: "tool-input-start", id: "c", toolName: "add", inputEncoding: "json", title: "Add" },
  { type: "tool-input-delta", id: "c", delta: "{}" },
  { type: "tool-input-end", id: "c" },
];

async function partsFrom(stream: ReadableStream<LanguageModelV4StreamPart>): Promise<readonly LanguageModelV4StreamPart[]> {
  const parts: LanguageModelV4StreamPart[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

test("every content part of a whole answer survives the journal", async () => {
  const result: LanguageModelV4GenerateResult = {
    content: [...contents],
    structuredOutputText: "{}",
    finishReason: { unified: "stop", raw: undefined },
    usage: { ...usageOf(10, 5), outputTokens: { total: 5, text: undefined, reasoning: undefined }, raw: { a: 1 } },
    providerMetadata: metadata,
    request: { url: "u", body: { prompt: "long" } },
    response: { id: "r", timestamp: new Date(1_790_000_000_000), modelId: "m-1", headers: { "x-a": "b" }, body: { content: "long" } },
    warnings: [{ type: "unsupported", feature: "topK" }],
  };
  const { entries, open } = journal();
  const model = durableLanguageModel(new MockLanguageModelV4({ doGenerate: result }), open(), { clock });

  const back = await model.doGenerate({ prompt: [] });

  const { request: _, response: { body: __, ...response } = {}, ...rest } = result;
  expect(back).toEqual({ ...rest, response });
  expect(readDurableAnswer(entries[0] ?? null)).toMatchObject({ usage: { inputTokens: 10, outputTokens: 5 }, responseModel: "m-1", finishReason: "stop", message: { role: "assistant" } });
});

test("every part of a stream survives the journal", async () => {
  const parts: LanguageModelV4StreamPart[] = [...streamOnly, ...contents.filter((part) => part.type !== "text" && part.type !== "reasoning"), finishPart("tool-calls", usageOf(7, 3))];
  const { entries, open } = journal();
  const mock = new MockLanguageModelV4({ doStream: { stream: convertArrayToReadableStream(parts), request: { body: "long" }, response: { headers: { "x-a": "b" } } } });

  const { stream, response, request } = await durableLanguageModel(mock, open(), { clock }).doStream({ prompt: [] });

  expect(await partsFrom(stream)).toEqual(parts);
  expect({ response, request }).toEqual({ response: { headers: { "x-a": "b" } }, request: undefined });
  expect(readDurableAnswer(entries[0] ?? null)).toMatchObject({ usage: { inputTokens: 7, outputTokens: 3 }, responseModel: "m-1", finishReason: "tool-calls" });
});

test("the pieces of one text are journaled as one, and keep-alives not at all", async () => {
  const { entries, open } = journal();
  const parts: LanguageModelV4StreamPart[] = [{ type: "text-start", id: "t" }, ..."hello".split("").flatMap((delta): LanguageModelV4StreamPart[] => [{ type: "text-delta", id: "t", delta }, { type: "ping" }]), finishPart("stop")];
  let live = "";
  const mock = new MockLanguageModelV4({ doStream: { stream: convertArrayToReadableStream(parts) } });

  await durableLanguageModel(mock, open(), { clock, onDelta: (text) => void (live += text) }).doStream({ prompt: [] });

  expect(live).toBe("hello");
  expect(entries[0]).toMatchObject({ result: { parts: [{ type: "text-start" }, { type: "text-delta", delta: "hello" }, { type: "finish" }] } });
});

/** Calls the tool once, then answers with its result. */
function toolUser(): { readonly model: MockLanguageModelV4; readonly executions: () => number; readonly tools: Parameters<typeof generateText>[0]["tools"] } {
  let executions = 0;
  const isSecond = (prompt: readonly { readonly role: string }[]): boolean => prompt.some((message) => message.role === "tool");
  const call = { type: "tool-call" as const, toolCallId: "c1", toolName: "add", input: '{"a":1,"b":2}' };
  const model = new MockLanguageModelV4({
    doGenerate: ({ prompt }) => {
      executions++;
      const second = isSecond(prompt);
      return Promise.resolve({ content: second ? [{ type: "text", text: "three" }] : [call], finishReason: { unified: second ? "stop" : "tool-calls", raw: "x" }, usage: usageOf(10, 2), warnings: [] });
    },
    doStream: ({ prompt }) => {
      executions++;
      return Promise.resolve({ stream: convertArrayToReadableStream(isSecond(prompt) ? [...textParts("three")] : [call, finishPart("tool-calls")]) });
    },
  });
  const add = tool({ inputSchema: z.object({ a: z.number(), b: z.number() }), execute: ({ a, b }) => ({ sum: a + b }) });
  return { model, executions: () => executions, tools: { add } };
}

const uses: readonly (readonly [string, (model: LanguageModelV4, tools: Parameters<typeof generateText>[0]["tools"]) => Promise<unknown>])[] = [
  ["generateText", async (model, tools) => (await generateText({ model, tools: tools ?? {}, prompt: "1+2?", stopWhen: isStepCount(5) })).text],
  ["streamText", async (model, tools) => streamText({ model, tools: tools ?? {}, prompt: "1+2?", stopWhen: isStepCount(5) }).text],
  ["ToolLoopAgent", async (model, tools) => (await new ToolLoopAgent({ model, tools: tools ?? {} }).generate({ prompt: "1+2?" })).text],
];

test.each(uses)("%s runs on it, and a replay does not call the model again", async (_, use) => {
  const { model, executions, tools } = toolUser();
  const { entries, open } = journal();

  const first = await use(durableLanguageModel(model, open(), { clock }), tools);
  expect({ first, executions: executions(), entries: entries.length }).toEqual({ first: "three", executions: 2, entries: 2 });

  const replayed = await use(durableLanguageModel(model, open(), { clock }), tools);
  expect({ replayed, executions: executions() }).toEqual({ replayed: "three", executions: 2 });

  entries.pop();
  const resumed = await use(durableLanguageModel(model, open(), { clock }), tools);
  expect({ resumed, executions: executions() }).toEqual({ resumed: "three", executions: 3 });
});

test("a call has the step's header and always a limit of output tokens", async () => {
  const { model } = toolUser();
  const durable = durableLanguageModel(model, journal().open(), { clock, outputTokensMax: 99 });

  await durable.doGenerate({ prompt: [], headers: { "x-mine": "1" } });
  await durable.doGenerate({ prompt: [], maxOutputTokens: 7 });

  expect(model.doGenerateCalls[0]).toMatchObject({ maxOutputTokens: 99, headers: { "x-mine": "1", "idempotency-key": "step-0" } });
  expect(model.doGenerateCalls[1]?.maxOutputTokens).toBe(7);
});

test("failures are coded, are not tried again by the SDK, and limits hold for models that ignore them", async () => {
  let calls = 0;
  const broken = new MockLanguageModelV4({
    doGenerate: () => {
      calls++;
      return Promise.reject(Object.assign(new Error("slow down"), { statusCode: 429, responseHeaders: { "retry-after": "4" } }));
    },
    doStream: { stream: convertArrayToReadableStream<LanguageModelV4StreamPart>([{ type: "text-delta", id: "t", delta: "cut" }]) },
  });
  const model = durableLanguageModel(broken, journal().open(), { clock });

  await expect(generateText({ model, prompt: "x" })).rejects.toMatchObject({ code: "MODEL_THROTTLED", retry: { afterMs: 4000 } });
  expect(calls).toBe(1);
  await expect(model.doStream({ prompt: [] })).rejects.toMatchObject({ code: "MODEL_TRANSIENT" });

  const silent = durableLanguageModel(new MockLanguageModelV4({ doGenerate: () => new Promise(() => undefined) }), journal().open(), { clock });
  const failing = Promise.resolve(silent.doGenerate({ prompt: [] })).catch((error: unknown) => error);
  await clock.advance(600_000);
  expect(await failing).toMatchObject({ code: "MODEL_TIMEOUT", details: { limit: "totalMs" } });
});

test("an answer journaled by another way of calling is refused", async () => {
  const { model } = toolUser();
  const { open } = journal();
  const log = open();
  await durableLanguageModel(model, log, { clock }).doGenerate({ prompt: [] });

  const replay: RunModelStep = (call, body) => open()(call, body);
  await expect(durableLanguageModel(model, replay, { clock }).doStream({ prompt: [] })).rejects.toMatchObject({ code: "JSON_INVALID" });
});
