import { describe, expect, onTestFinished, test } from "vitest";
import type { Json } from "../base/json.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import { type Message, textOf, toolCallsOf } from "../record/message.ts";
import { defaultModelTimeouts, type Model, type ModelRequest } from "./model.ts";

/** What the model under test has to answer, whoever answers it. Every call gets the same. */
export type ModelScenario =
  | { readonly answer: "text"; readonly text: string }
  | { readonly answer: "tool-calls"; readonly calls: readonly { readonly toolName: string; readonly input: Json }[] }
  /** The provider's own refusal. */
  | { readonly answer: "refusal" }
  /** The text, cut by the limit of output tokens. */
  | { readonly answer: "truncated"; readonly text: string }
  | { readonly answer: "throttled"; readonly afterMs: number }
  | { readonly answer: "unauthorized" }
  | { readonly answer: "hang" };

export interface ModelUnderTest {
  readonly model: Model;
  readonly close?: () => Promise<void>;
}

export interface ModelSuiteOptions {
  readonly name: string;
  readonly create: (scenario: ModelScenario, clock: VirtualClock) => ModelUnderTest | Promise<ModelUnderTest>;
}

const messages: readonly Message[] = [
  { role: "system", text: "Be brief.", tools: [{ name: "add", description: "Adds.", inputSchema: { type: "object", properties: { a: { type: "number" }, b: { type: "number" } }, required: ["a", "b"] } }] },
  { role: "user", text: "What is 1 + 2?" },
];

/** A request as the run loop makes it. */
export function modelRequest(fields: Partial<ModelRequest> = {}): ModelRequest {
  return { messages, outputTokensMax: 256, idempotencyKey: "run/step", timeouts: defaultModelTimeouts, signal: new AbortController().signal, ...fields };
}

/** The contract of the port: every adapter passes it. */
export function testModel({ name, create }: ModelSuiteOptions): void {
  const clock = new VirtualClock();
  const start = async (scenario: ModelScenario): Promise<Model> => {
    const { model, close } = await create(scenario, clock);
    onTestFinished(async () => close?.());
    return model;
  };
  describe(`model contract: ${name}`, () => {
    testAnswers(start);
    testFailures(start, clock);
  });
}

type Start = (scenario: ModelScenario) => Promise<Model>;

function testAnswers(start: Start): void {
  test("a text is answered with its usage and shown live", async () => {
    const model = await start({ answer: "text", text: "One plus two is three." });
    let live = "";

    const completion = await model.complete(modelRequest({ onDelta: (delta) => void (live += delta) }));

    expect(textOf(completion.message)).toBe("One plus two is three.");
    expect(completion.finishReason).toBe("stop");
    expect(completion.usage.inputTokens).toBeGreaterThan(0);
    expect(completion.usage.outputTokens).toBeGreaterThan(0);
    expect(live).toBe("One plus two is three.");
  });

  test("a completion is plain data", async () => {
    const completion = await (await start({ answer: "tool-calls", calls: [{ toolName: "add", input: { a: 1, b: [2, null] } }] })).complete(modelRequest());

    expect(JSON.parse(JSON.stringify(completion))).toEqual(completion);
  });

  test("tool calls keep their order and inputs and have ids of their own", async () => {
    const calls = [{ toolName: "add", input: { a: 1, b: 2 } }, { toolName: "add", input: { a: 3, b: 4 } }];
    const completion = await (await start({ answer: "tool-calls", calls })).complete(modelRequest());

    const made = toolCallsOf(completion.message);
    expect(made.map(({ toolName, input }) => ({ toolName, input }))).toEqual(calls);
    expect(new Set(made.map(({ callId }) => callId)).size).toBe(2);
    expect(made.every(({ callId }) => callId !== "")).toBe(true);
    expect(completion.finishReason).toBe("tool-calls");
  });

  test("an answer and the results of its calls can be sent back", async () => {
    const model = await start({ answer: "tool-calls", calls: [{ toolName: "add", input: { a: 1, b: 2 } }] });
    const { message } = await model.complete(modelRequest());
    const results = toolCallsOf(message).map(({ callId, toolName }) => ({ type: "tool-result" as const, callId, toolName, isError: false, value: { sum: 3 } }));

    const second = await model.complete(modelRequest({ messages: [...messages, message, { role: "tool", results }] }));

    expect(toolCallsOf(second.message)).toHaveLength(1);
  });

  test("a refusal and a cut answer are told by their finish reason", async () => {
    const refused = await (await start({ answer: "refusal" })).complete(modelRequest());
    const cut = await (await start({ answer: "truncated", text: "One plus" })).complete(modelRequest());

    expect(refused.finishReason).toBe("content-filter");
    expect(cut.finishReason).toBe("length");
    expect(textOf(cut.message)).toBe("One plus");
  });

  test("calls at the same time do not mix", async () => {
    const model = await start({ answer: "text", text: "three" });

    const completions = await Promise.all(Array.from({ length: 5 }, (_, index) => model.complete(modelRequest({ idempotencyKey: `run/${index}` }))));

    expect(completions.map(({ message }) => textOf(message))).toEqual(Array.from({ length: 5 }, () => "three"));
  });

  test("the estimate is a whole number and not below the cost", async () => {
    const model = await start({ answer: "text", text: "three" });

    const estimate = model.estimateMicroUsd(modelRequest());
    const { costMicroUsd, usage } = await model.complete(modelRequest());

    expect(Number.isInteger(estimate)).toBe(true);
    expect(estimate).toBeGreaterThanOrEqual(costMicroUsd ?? 0);
    expect(model.costMicroUsd(usage)).toBe(costMicroUsd);
  });
}

function testFailures(start: Start, clock: VirtualClock): void {
  test("a rate limit is MODEL_THROTTLED with the time that was asked for", async () => {
    const error = await failureOf((await start({ answer: "throttled", afterMs: 2000 })).complete(modelRequest()));

    expect(error).toMatchObject({ code: "MODEL_THROTTLED", retry: { afterMs: 2000 } });
  });

  test("a wrong key is MODEL_AUTH and is not tried again", async () => {
    const error = await failureOf((await start({ answer: "unauthorized" })).complete(modelRequest()));

    expect(error).toMatchObject({ code: "MODEL_AUTH", retry: "never" });
  });

  test("silence is MODEL_TIMEOUT when the first limit passes, not before", async () => {
    const model = await start({ answer: "hang" });
    let ended = false;
    const failing = failureOf(model.complete(modelRequest())).finally(() => (ended = true));

    await clock.advance(defaultModelTimeouts.firstChunkMs - 1);
    expect(ended).toBe(false);
    await clock.advance(1);

    expect(await failing).toMatchObject({ code: "MODEL_TIMEOUT", retry: "backoff", details: { limit: "firstChunkMs" } });
  });

  test("an abort ends the call at once with its own reason", async () => {
    const model = await start({ answer: "hang" });
    const controller = new AbortController();
    const reason = new Error("Canceled by the test.");
    const failing = failureOf(model.complete(modelRequest({ signal: controller.signal })));

    await clock.advance(10);
    controller.abort(reason);

    expect(await failing).toBe(reason);
    expect(await failureOf(model.complete(modelRequest({ signal: controller.signal })))).toBe(reason);
    expect(clock.pendingAtMs).toEqual([]);
  });
}

function failureOf(completing: Promise<unknown>): Promise<unknown> {
  return completing.then(() => "no failure", (error: unknown) => error);
}
