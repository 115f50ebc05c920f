import type { Fault, StreamErrorName } from "../../../src/lab/provider/index.ts";
import type { FailureCase } from "../case.ts";
import { always, dayMs, first, minuteMs, secondMs, soon, verified } from "./faults.ts";

type Wire = NonNullable<FailureCase["wire"]>;

const error = (name: StreamErrorName): Fault => ({ kind: "streamError", error: name, afterEvents: 3 });

function retried(fault: string, struck: Fault, wire: Wire = "anthropic", backMs: FailureCase["expect"]["backMs"] = soon): FailureCase {
  return { layer: "stream", fault, wire, faults: first(struck), expect: { ...verified, backMs, callsMax: 4, did: ["retry"] } };
}

/** Silence, or what is as good as silence, is given up at a limit, and the call is made again at once. */
const silence = (limitMs: number): readonly [number, number] => [limitMs, limitMs + secondMs];
const forever = dayMs / 12;

/** What goes wrong after status 200. */
export const streamCases: readonly FailureCase[] = [
  retried("closed at once after 200", { kind: "cut", afterEvents: 0 }),
  retried("cut in the middle", { kind: "cut", afterEvents: 4 }),
  retried("cut in the middle (Responses)", { kind: "cut", afterEvents: 5 }, "openai"),
  retried("cut in the middle (Chat)", { kind: "cut", afterEvents: 3 }, "openai-compatible"),
  retried("ends without its last event", { kind: "unfinished", missingEvents: 1 }),
  retried("ends without its last two events (Responses)", { kind: "unfinished", missingEvents: 2 }, "openai"),
  retried("ends without its last three events (Chat)", { kind: "unfinished", missingEvents: 3 }, "openai-compatible"),
  retried("an event that is not JSON", { kind: "badEvent", afterEvents: 3 }),
  retried("an event that is not JSON (Responses)", { kind: "badEvent", afterEvents: 3 }, "openai"),
  retried("an event that is not JSON (Chat)", { kind: "badEvent", afterEvents: 2 }, "openai-compatible"),
  retried("overloaded_error in mid-stream", error("overloaded")),
  retried("server_is_overloaded in mid-stream (Responses)", error("overloaded"), "openai"),
  retried("response.failed (Responses)", error("failed"), "openai"),
  retried("server_error in mid-stream (Chat)", error("server-error"), "openai-compatible"),
  retried("rate_limit_error in mid-stream", error("rate-limit")),
  retried("rate limit in mid-stream, \"try again in 6s\" (Responses)", error("rate-limit"), "openai", 6 * secondMs),
  { layer: "stream", fault: "context overflow in mid-stream (Responses)", wire: "openai", faults: always(error("context-overflow")), expect: { end: "dead(context-overflow)", deliveries: 0, backMs: 0, callsMax: 1, did: ["MODEL_CONTEXT_OVERFLOW"] } },
  { layer: "stream", fault: "insufficient_quota in mid-stream (Chat)", wire: "openai-compatible", faults: always(error("spend-limit")), expect: { end: "dead(billing)", deliveries: 0, backMs: 0, callsMax: 1, did: ["MODEL_BILLING"] } },
  retried("nothing but silence", { kind: "hang" }, "anthropic", silence(minuteMs)),
  retried("silence in the middle", { kind: "hang", afterEvents: 4 }, "anthropic", silence(30 * secondMs)),
  retried("nothing but keep-alives", { kind: "keepAlive", ms: forever }, "anthropic", silence(minuteMs)),
  retried("nothing but keep-alives (Responses)", { kind: "keepAlive", ms: forever }, "openai", silence(minuteMs)),
  retried("nothing but metadata (Responses)", { kind: "keepAlive", ms: forever, with: "metadata" }, "openai", silence(minuteMs)),
  retried("nothing but metadata", { kind: "keepAlive", ms: forever, with: "metadata" }, "anthropic", silence(minuteMs)),
  retried("nothing but empty deltas once a call has begun (Responses)", { kind: "keepAlive", ms: forever, with: "empty-deltas" }, "openai", silence(30 * secondMs)),
  retried("nothing but empty deltas once a call has begun", { kind: "keepAlive", ms: forever, with: "empty-deltas" }, "anthropic", silence(30 * secondMs)),
  retried("nothing but empty deltas (Chat)", { kind: "keepAlive", ms: forever, with: "empty-deltas" }, "openai-compatible", silence(minuteMs)),
  { layer: "stream", fault: "the first byte after 50 s", faults: first({ kind: "latency", ms: 50 * secondMs }), expect: { ...verified, backMs: 50 * secondMs, callsMax: 3 } },
  { layer: "stream", fault: "12 s before each event", faults: first({ kind: "slowChunks", ms: 12 * secondMs }), expect: { ...verified, backMs: [minuteMs, 5 * minuteMs], callsMax: 3 } },
  {
    layer: "stream", fault: "an answer that dribbles for more than ten minutes", faults: first({ kind: "slowChunks", ms: 14 * secondMs }),
    script: (courier) => async (request, context) => {
      const { parts } = await courier(request, context);
      return { parts: [{ type: "text", text: "Let me think about it. ".repeat(80) }, ...parts] };
    },
    expect: { ...verified, backMs: [10 * minuteMs, 10 * minuteMs + secondMs], callsMax: 4, did: ["retry"] },
  },
];
