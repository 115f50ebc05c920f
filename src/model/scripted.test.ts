import { expect, test } from "vitest";
import { LonghaulError } from "../base/error.ts";
import { textOf } from "../record/message.ts";
import { fixedPrice } from "./model-price.ts";
import { modelRequest, type ModelScenario, testModel } from "./model.testsuite.ts";
import { type ScriptedAnswer, scriptedModel } from "./scripted.ts";

testModel({ name: "scripted", create: (scenario, clock) => ({ model: scriptedModel(toAnswer(scenario), { clock }) }) });
testModel({
  name: "scripted with a price",
  create: (scenario, clock) => ({ model: scriptedModel(toAnswer(scenario), { clock, price: fixedPrice({ input: 3, output: 15 }) }) }),
});

function toAnswer(scenario: ModelScenario): ScriptedAnswer {
  switch (scenario.answer) {
    case "text":
      return scenario.text;
    case "tool-calls":
      return { toolCalls: scenario.calls };
    case "refusal":
      return { text: "", finishReason: "content-filter" };
    case "truncated":
      return { text: scenario.text, finishReason: "length" };
    case "throttled":
      return new LonghaulError("MODEL_THROTTLED", "Slow down.", { retry: { afterMs: scenario.afterMs } });
    case "unauthorized":
      return { error: new LonghaulError("MODEL_AUTH", "Wrong key.") };
    case "hang":
      return { hang: true };
  }
}

test("a list answers call by call and says when it is used up", async () => {
  const model = scriptedModel(["one", { object: { sum: 3 } }]);

  const first = await model.complete(modelRequest());
  const second = await model.complete(modelRequest());

  expect(textOf(first.message)).toBe("one");
  expect(second.message.parts).toEqual([{ type: "tool-call", callId: "call_2_1", toolName: "final_answer", input: { sum: 3 } }]);
  await expect(model.complete(modelRequest())).rejects.toThrow("The script has 2 answers and was asked for number 3");
});

test("a function sees the request and the number of the call, and the calls are recorded", async () => {
  const model = scriptedModel(({ idempotencyKey }, callNumber) => `${idempotencyKey} ${callNumber}`, { id: "test/echo" });

  await model.complete(modelRequest({ idempotencyKey: "a" }));
  const second = await model.complete(modelRequest({ idempotencyKey: "b" }));

  expect(textOf(second.message)).toBe("b 2");
  expect(model.calls.map((call) => call.idempotencyKey)).toEqual(["a", "b"]);
  expect(model).toMatchObject({ id: "test/echo", provider: "test", simulated: true });
});

test("the same call uses and costs the same", async () => {
  const model = scriptedModel("twelve chars", { price: fixedPrice({ input: 2, output: 10 }) });

  const first = await model.complete(modelRequest());
  const second = await model.complete(modelRequest());

  expect(second.usage).toEqual(first.usage);
  expect(first.costMicroUsd).toBe(first.usage.inputTokens * 2 + first.usage.outputTokens * 10);
});

test("a call that was given up before it began is not recorded", async () => {
  const model = scriptedModel("never");

  await expect(model.complete(modelRequest({ signal: AbortSignal.abort(new Error("gave up")) }))).rejects.toThrow("gave up");

  expect(model.calls).toEqual([]);
});
