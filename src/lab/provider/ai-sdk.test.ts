import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, isStepCount, type LanguageModel, Output, streamText, tool } from "ai";
import { describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { systemClock } from "../../base/clock.ts";
import { defaultScript } from "./default-script.ts";
import { createProviderSimulator, type ProviderSimulatorOptions } from "./provider-simulator.ts";
import { collect, serveForTest, type ServedForTest } from "./serve-for-test.testsuite.ts";
import { replyText, replyToolCalls, type Script } from "./simulated-reply.ts";
import { toolResultsOf } from "./simulated-request.ts";

interface Access {
  readonly baseURL: string;
  readonly fetch?: typeof fetch;
}

const providers: Readonly<Record<string, (access: Access, model: string) => LanguageModel>> = {
  anthropic: (access, model) => createAnthropic({ apiKey: "k", ...access })(model),
  "openai responses": (access, model) => createOpenAI({ apiKey: "k", ...access })(model),
  "openai chat": (access, model) => createOpenAI({ apiKey: "k", ...access }).chat(model),
  "openai-compatible": (access, model) =>
    createOpenAICompatible({ name: "sim", apiKey: "k", includeUsage: true, supportsStructuredOutputs: true, ...access })(model),
};

async function overHttp(options: Partial<ProviderSimulatorOptions>): Promise<Access & Pick<ServedForTest, "simulator">> {
  const { simulator, url } = await serveForTest(options);
  return { simulator, baseURL: `${url}/v1` };
}

async function inProcess(options: Partial<ProviderSimulatorOptions>): Promise<Access & Pick<ServedForTest, "simulator">> {
  const simulator = createProviderSimulator({ clock: systemClock, ...options });
  onTestFinished(() => simulator.close());
  return { simulator, baseURL: "http://simulated.example/v1", fetch: simulator.fetch };
}

/** Asks for two sums at once, then says what came back. */
const addingScript: Script = (request) => {
  const results = toolResultsOf(request);
  if (results.length > 0) return replyText(results.map(({ name, text }) => `${name} gave ${text}`).join("; "));
  return replyToolCalls([
    { name: "add", input: { a: 1, b: 2 } },
    { name: "add", input: { a: 30, b: 4 } },
  ]);
};

const add = tool({
  description: "Adds two numbers",
  inputSchema: z.object({ a: z.number(), b: z.number() }),
  execute: ({ a, b }) => ({ sum: a + b }),
});
const toolRun = { tools: { add }, stopWhen: isStepCount(4), instructions: "Be brief.", prompt: "What is 1 + 2 and 30 + 4?", maxRetries: 0, maxOutputTokens: 500 };
const expectedSums = 'add gave {"sum":3}; add gave {"sum":34}';

const cases = Object.entries(providers).flatMap(([name, create]) => [
  { title: `${name} over HTTP`, create, access: overHttp },
  { title: `${name} in process`, create, access: inProcess },
]);

describe.each(cases)("the AI SDK with $title", ({ create, access }) => {
  test("generates text and counts tokens", async () => {
    const to = await access({ script: ({ system, model }) => replyText(`${model} was told: ${system}`) });

    const { text, usage, finishReason } = await generateText({ model: create(to, "sim-model"), instructions: "Be brief.", prompt: "Hello", maxRetries: 0, maxOutputTokens: 500 });

    expect(text).toBe("sim-model was told: Be brief.");
    expect(finishReason).toBe("stop");
    expect(usage.outputTokens).toBe(Math.ceil(text.length / 4));
    expect(to.simulator.receipts()).toMatchObject([{ model: "sim-model", outcome: "completed", inputTokens: usage.inputTokens, outputTokens: usage.outputTokens }]);
  });

  test("streams text in pieces", async () => {
    const sentence = "A streamed sentence, long enough to need several events. ".repeat(3) + "Naïve café 🎈.";
    const to = await access({ script: () => replyText(sentence) });

    const result = streamText({ model: create(to, "sim-model"), prompt: "Hello", maxRetries: 0, maxOutputTokens: 500 });
    const pieces = await collect(result.textStream);

    expect(pieces.join("")).toBe(sentence);
    expect(pieces.length).toBeGreaterThan(3);
    expect((await result.usage).outputTokens).toBe(Math.ceil(sentence.length / 4));
  });

  test("calls tools in a loop", async () => {
    const to = await access({ script: addingScript });

    const { text, steps } = await generateText({ model: create(to, "sim-model"), ...toolRun });

    expect(text).toBe(expectedSums);
    expect(steps.map((step) => step.finishReason)).toEqual(["tool-calls", "stop"]);
  });

  test("calls tools in a loop while streaming", async () => {
    const to = await access({ script: addingScript });

    const result = streamText({ model: create(to, "sim-model"), ...toolRun });

    expect(await result.text).toBe(expectedSums);
    expect((await result.steps).flatMap((step) => step.toolCalls.map((call) => call.input))).toEqual([{ a: 1, b: 2 }, { a: 30, b: 4 }]);
  });

  test("gets a typed object, with tools and without", async () => {
    const schema = z.object({ title: z.string(), level: z.enum(["low", "high"]), pages: z.array(z.url()), score: z.number().min(0).max(1) });
    const to = await access({ script: defaultScript });
    const call = { model: create(to, "claude-sonnet-5-5"), output: Output.object({ schema }), prompt: "Describe it.", maxRetries: 0, maxOutputTokens: 500 };

    const plain = await generateText(call);
    const withTools = await generateText({ ...call, tools: { add }, stopWhen: isStepCount(4) });

    expect(schema.parse(plain.output)).toMatchObject({ title: "simulated title", pages: ["https://simulated.example/"] });
    expect(schema.parse(withTools.output)).toBeDefined();
    expect(withTools.steps).toHaveLength(2);
  });

  test("sees a provider's error with its status and advice", async () => {
    const to = await access({ faults: () => ({ kind: "status", status: 429, retryAfter: "7" }) });

    const error: unknown = await generateText({ model: create(to, "sim-model"), prompt: "Hello", maxRetries: 0, maxOutputTokens: 500 }).catch((thrown: unknown) => thrown);

    expect(APICallError.isInstance(error) && [error.statusCode, error.isRetryable, error.responseHeaders?.["retry-after"]]).toEqual([429, true, "7"]);
  });
});

test("an AI SDK model without native structured output gets its object through the tool that the AI SDK adds", async () => {
  const { url } = await serveForTest();
  const model = createAnthropic({ apiKey: "k", baseURL: `${url}/v1` })("claude-3-haiku-20240307");

  const { output } = await generateText({ model, output: Output.object({ schema: z.object({ name: z.string() }) }), prompt: "Who?", maxRetries: 0, maxOutputTokens: 500 });

  expect(output).toEqual({ name: "simulated name" });
});

test("the Responses API finds what an earlier answer stored, by item and by response", async () => {
  const { url } = await serveForTest({ script: ({ messages, body }) => replyText(`I see ${messages.length} messages${JSON.stringify(body).includes("item_reference") ? ", one by reference" : ""}`) });
  const model = createOpenAI({ apiKey: "k", baseURL: `${url}/v1` })("gpt-4o");

  const first = await generateText({ model, prompt: "One", maxRetries: 0 });
  const byItem = await generateText({ model, messages: [{ role: "user", content: "One" }, ...first.finalStep.response.messages, { role: "user", content: "Two" }], maxRetries: 0 });
  const previousResponseId = String(first.finalStep.providerMetadata?.["openai"]?.["responseId"]);
  const byResponse = await generateText({ model, prompt: "Two", providerOptions: { openai: { previousResponseId } }, maxRetries: 0 });

  expect([byItem.text, byResponse.text]).toEqual(["I see 3 messages, one by reference", "I see 3 messages"]);
});
