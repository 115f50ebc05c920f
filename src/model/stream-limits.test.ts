import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { MockLanguageModelV4 } from "ai/test";
import { expect, test } from "vitest";
import { VirtualClock } from "../base/virtual-clock.ts";
import { textOf } from "../record/message.ts";
import { startChunkDeadline } from "./chunk-deadline.ts";
import { finishPart, textParts } from "./v4-parts.testsuite.ts";
import { modelRequest } from "./model.testsuite.ts";
import { languageModel } from "./provider.ts";

const timeouts = { firstChunkMs: 60_000, betweenChunksMs: 30_000, totalMs: 100_000 };

/** A model whose stream is fed by the test and that ignores every abort. */
function fedModel() {
  const clock = new VirtualClock();
  let controller: ReadableStreamDefaultController<LanguageModelV4StreamPart> | undefined;
  let canceled = false;
  const stream = new ReadableStream<LanguageModelV4StreamPart>({
    start: (made) => void (controller = made),
    cancel: () => {
      canceled = true;
      return new Promise(() => undefined);
    },
  });
  const model = languageModel(new MockLanguageModelV4({ provider: "mock", modelId: "m1", doStream: () => Promise.resolve({ stream }) }), { clock });
  const outcome: { value?: unknown } = {};
  const done = model.complete(modelRequest({ timeouts })).then(
    (value) => (outcome.value = value),
    (error: unknown) => (outcome.value = error),
  );
  return { clock, outcome, done, send: (part: LanguageModelV4StreamPart) => controller?.enqueue(part), end: () => controller?.close(), fail: (error: unknown) => controller?.error(error), wasCanceled: () => canceled };
}

test("keep-alives, metadata and empty deltas do not count as content", async () => {
  const { clock, outcome, send, wasCanceled } = fedModel();

  send({ type: "stream-start", warnings: [] });
  for (let second = 0; second < 59; second++) {
    send({ type: "ping" });
    send({ type: "response-metadata", id: "r" });
    send({ type: "custom", kind: "anthropic.message_start", providerMetadata: { anthropic: { id: "r" } } });
    send({ type: "text-start", id: "t" });
    send({ type: "text-delta", id: "t", delta: "" });
    send({ type: "raw", rawValue: {} });
    await clock.advance(1000);
  }
  await clock.advance(999);
  expect(outcome.value).toBeUndefined();
  await clock.advance(1);

  expect(outcome.value).toMatchObject({ code: "MODEL_TIMEOUT", details: { limit: "firstChunkMs", limitMs: 60_000 } });
  expect(String(outcome.value)).toContain("sent no content within 1 min");
  expect(wasCanceled()).toBe(true);
  expect(clock.pendingAtMs).toEqual([]);
});

test("each piece of content gives the next one as long again", async () => {
  const { clock, outcome, send } = fedModel();

  await clock.advance(59_000);
  send({ type: "text-delta", id: "t", delta: "one" });
  await clock.advance(29_000);
  send({ type: "tool-input-delta", id: "c", delta: "{" });
  await clock.advance(0);
  send({ type: "ping" });
  await clock.advance(11_999);
  expect(outcome.value).toBeUndefined();
  await clock.advance(1);

  expect(outcome.value).toMatchObject({ details: { limit: "totalMs" } });
});

test("limits that start after the caller gave up end at once", async () => {
  const clock = new VirtualClock();
  const reason = new Error("gave up");

  const deadline = startChunkDeadline({ clock, timeouts, model: "m", signal: AbortSignal.abort(reason) });

  await expect(deadline.race(new Promise(() => undefined))).rejects.toBe(reason);
  expect(clock.pendingAtMs).toEqual([]);
});

test("silence in the middle is told from silence at the beginning", async () => {
  const { clock, outcome, send } = fedModel();

  send({ type: "reasoning-delta", id: "r", delta: "hm" });
  await clock.advance(10_000);
  send({ type: "text-delta", id: "t", delta: "one" });
  await clock.advance(29_999);
  expect(outcome.value).toBeUndefined();
  await clock.advance(1);

  expect(outcome.value).toMatchObject({ code: "MODEL_TIMEOUT", details: { limit: "betweenChunksMs", limitMs: 30_000 } });
});

test("an answer is complete with its last part, even when the stream stays open", async () => {
  const { clock, outcome, done, send } = fedModel();

  for (const part of textParts("three")) send(part);
  await done;

  expect(textOf((outcome.value as { message: Parameters<typeof textOf>[0] }).message)).toBe("three");
  expect(clock.pendingAtMs).toEqual([]);
});

test("what is not a whole answer is a failure that is tried again", async () => {
  const cut = fedModel();
  cut.send({ type: "text-delta", id: "t", delta: "one" });
  cut.end();
  await cut.done;
  expect(cut.outcome.value).toMatchObject({ code: "MODEL_TRANSIENT", retry: "backoff" });
  expect(String(cut.outcome.value)).toContain("ended its answer in the middle");

  const empty = fedModel();
  empty.end();
  await empty.done;
  expect(String(empty.outcome.value)).toContain("sent an empty answer");

  const interrupted = fedModel();
  interrupted.send({ type: "text-delta", id: "t", delta: "one" });
  interrupted.send(finishPart("interrupted"));
  await interrupted.done;
  expect(interrupted.outcome.value).toMatchObject({ code: "MODEL_TRANSIENT", retry: "backoff" });
});

test("an error part and a broken stream are classified", async () => {
  const overloaded = fedModel();
  overloaded.send({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } });
  await overloaded.done;
  expect(overloaded.outcome.value).toMatchObject({ code: "MODEL_OVERLOADED", retry: "backoff" });

  const broken = fedModel();
  broken.send({ type: "text-delta", id: "t", delta: "one" });
  await broken.clock.advance(0);
  broken.fail(Object.assign(new TypeError("terminated"), { cause: Object.assign(new Error("other side closed"), { code: "UND_ERR_SOCKET" }) }));
  await broken.done;
  expect(broken.outcome.value).toMatchObject({ code: "MODEL_TRANSIENT", details: { networkCode: "UND_ERR_SOCKET" } });
});

test("a window that is full is a context overflow", async () => {
  const { done, outcome, send } = fedModel();
  send({ type: "text-delta", id: "t", delta: "one" });
  send(finishPart("length", undefined, "model_context_window_exceeded"));
  await done;

  expect(outcome.value).toMatchObject({ code: "MODEL_CONTEXT_OVERFLOW", retry: "never" });
});
