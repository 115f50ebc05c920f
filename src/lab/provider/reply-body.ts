import { type Clock, sleep } from "../../base/clock.ts";
import type { Fault } from "./fault.ts";

/** How the body of an answer comes about, step by step. */
export type BodyStep =
  | { readonly type: "send"; readonly text: string }
  | { readonly type: "wait"; readonly ms: number }
  /** Nothing more, and no end either. */
  | { readonly type: "hang" }
  /** The connection breaks. */
  | { readonly type: "cut" };

const keepAliveEveryMs = 1_000;

/** For so long nothing comes but this, once a second. */
export function planKeepAlives(ms: number, text: string): readonly BodyStep[] {
  const steps: BodyStep[] = [];
  for (let leftMs = ms; leftMs > 0; leftMs -= keepAliveEveryMs) {
    steps.push({ type: "send", text }, { type: "wait", ms: Math.min(leftMs, keepAliveEveryMs) });
  }
  return steps;
}

/** The body of a reply that is not streamed under a fault: it comes whole, late, or broken half-way. */
export function planWhole(text: string, fault: Fault | undefined): readonly BodyStep[] {
  const half = text.slice(0, Math.ceil(text.length / 2));
  switch (fault?.kind) {
    case "cut":
      return [{ type: "send", text: half }, { type: "cut" }];
    case "hang":
      return [{ type: "send", text: half }, { type: "hang" }];
    case "unfinished":
      return [{ type: "send", text: half }];
    // White space before the JSON, as gateways send it.
    case "keepAlive":
      return [...planKeepAlives(fault.ms, " "), { type: "send", text }];
    case "slowChunks":
      return [{ type: "wait", ms: fault.ms }, { type: "send", text }];
    default:
      return [{ type: "send", text }];
  }
}

export interface BodyOptions {
  readonly clock: Clock;
  /** Aborts when the client goes away; the body then fails with its reason. */
  readonly signal: AbortSignal;
  /** Called once, before the last byte or the break is seen by the reader. */
  readonly onEnd: (end: "whole" | "cut") => void;
  /** Called when the reader gives up. */
  readonly onCancel: (reason: unknown) => void;
}

/** Produces the steps on demand: nothing runs ahead of the reader, so an unread answer is never counted as produced. */
export function createBody(steps: readonly BodyStep[], { clock, signal, onEnd, onCancel }: BodyOptions): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let position = 0;

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        signal.addEventListener("abort", () => controller.error(signal.reason), { once: true });
      },
      async pull(controller) {
        for (;;) {
          const step = steps[position++];
          if (step?.type === "send") {
            const isLast = position === steps.length;
            if (isLast) onEnd("whole");
            controller.enqueue(encoder.encode(step.text));
            if (isLast) controller.close();
            return;
          }
          if (step === undefined || step.type === "cut") {
            onEnd("cut");
            throw connectionLost();
          }
          await (step.type === "wait" ? sleep(clock, step.ms, signal) : untilAborted(signal));
        }
      },
      cancel: onCancel,
    },
    { highWaterMark: 0 },
  );
}

/** Never resolves; rejects with the signal's reason. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** What `fetch` reports when the server closes the connection in the middle of a body. */
function connectionLost(): TypeError {
  return new TypeError("terminated", { cause: Object.assign(new Error("other side closed"), { code: "UND_ERR_SOCKET" }) });
}
