import { isJsonObject, type Json, type JsonObject } from "../../base/json.ts";
import type { Fault } from "./fault.ts";
import { type BodyStep, planKeepAlives } from "./reply-body.ts";
import type { Wire } from "./simulated-request.ts";
import { errorEvent } from "./stream-error.ts";
import type { StreamEvent } from "./wire-format.ts";

export interface StreamPlanOptions {
  readonly wire: Wire;
  readonly keepAliveText: string;
}

/** The body of a streamed reply under a fault. */
export function planStream(events: readonly StreamEvent[], fault: Fault | undefined, { wire, keepAliveText }: StreamPlanOptions): readonly BodyStep[] {
  const sends = events.map(sendOf);
  switch (fault?.kind) {
    case "cut":
      return [...sends.slice(0, fault.afterEvents), { type: "cut" }];
    case "hang":
      return [...sends.slice(0, fault.afterEvents ?? 0), { type: "hang" }];
    case "unfinished":
      return sends.slice(0, Math.max(1, sends.length - fault.missingEvents));
    case "badEvent":
      return [...sends.slice(0, fault.afterEvents), { type: "send", text: 'data: {"type":"content_block_de\n\n' }, ...sends.slice(fault.afterEvents)];
    case "streamError":
      return [...sends.slice(0, fault.afterEvents), sendOf(errorEvent(wire, fault.error, { sequence: fault.afterEvents, opened: dataOf(events[0])["response"] }))];
    case "keepAlive":
      return planIdle(events, fault, { wire, keepAliveText });
    case "slowChunks":
      return sends.flatMap((send): readonly BodyStep[] => [{ type: "wait", ms: fault.ms }, send]);
    default:
      return sends;
  }
}

/** Keep-alives come before anything else; what needs an open answer comes right before the first content. */
function planIdle(events: readonly StreamEvent[], fault: Extract<Fault, { kind: "keepAlive" }>, { wire, keepAliveText }: StreamPlanOptions): readonly BodyStep[] {
  const { with: what = "keep-alives" } = fault;
  const first = what === "keep-alives" ? 0 : startOf(events, wire, what);
  const idle = what === "keep-alives" ? keepAliveText : textOf(what === "metadata" ? metadataEvent(events, wire) : emptyDelta(events[first], wire));
  return [...events.slice(0, first).map(sendOf), ...planKeepAlives(fault.ms, idle), ...events.slice(first).map(sendOf)];
}

/** Metadata comes before the answer has begun, deltas within its first piece. */
function startOf(events: readonly StreamEvent[], wire: Wire, what: "metadata" | "empty-deltas"): number {
  // The first chunk of a chat names the role and nothing else.
  if (wire === "openai-chat") return 1;
  const isStart = what === "metadata" ? /^(?:content_block_start|response\.output_item\.added)$/ : /delta$/;
  return Math.max(1, events.findIndex(({ name }) => name !== null && isStart.test(name)));
}

function metadataEvent(events: readonly StreamEvent[], wire: Wire): StreamEvent {
  if (wire === "anthropic-messages") return named({ type: "message_delta", delta: { stop_reason: null, stop_sequence: null }, usage: { output_tokens: 1 } });
  if (wire === "openai-chat") return emptyChunk(events[0], {});
  return events[1] ?? { name: null, data: "{}" };
}

/** A delta of this stream whose text is empty. */
function emptyDelta(event: StreamEvent | undefined, wire: Wire): StreamEvent {
  if (wire === "openai-chat") return emptyChunk(event, { content: "" });
  const data = dataOf(event);
  if (wire === "openai-responses") return named({ ...data, delta: "" });
  const delta = isJsonObject(data["delta"]) ? data["delta"] : {};
  return named({ ...data, delta: { ...delta, ...("text" in delta ? { text: "" } : { partial_json: "" }) } });
}

function emptyChunk(event: StreamEvent | undefined, delta: JsonObject): StreamEvent {
  return { name: null, data: JSON.stringify({ ...dataOf(event), choices: [{ index: 0, delta, logprobs: null, finish_reason: null }] }) };
}

function named(data: JsonObject): StreamEvent {
  return { name: String(data["type"]), data: JSON.stringify(data) };
}

function dataOf(event: StreamEvent | undefined): JsonObject {
  const data: Json = event === undefined || event.data === "[DONE]" ? {} : (JSON.parse(event.data) as Json);
  return isJsonObject(data) ? data : {};
}

function sendOf(event: StreamEvent): BodyStep {
  return { type: "send", text: textOf(event) };
}

function textOf({ name, data }: StreamEvent): string {
  return `${name === null ? "" : `event: ${name}\n`}data: ${data}\n\n`;
}
