import type { Fault } from "../../../src/lab/provider/index.ts";
import type { FailureCase, SimulatedWire } from "../case.ts";
import { untilAborted } from "../hooks.ts";
import { minuteMs, secondMs, verified } from "./faults.ts";

const down: Fault = { kind: "status", status: 503 };
const degraded = { end: "degraded", deliveries: 1 } as const;
const other = "another model answers";

/** The first of the two models has this, in each of its calls. */
const ofFirst = (fault: Fault) => (_call: number, _passedMs: number, wire: SimulatedWire): Fault | undefined => (wire === "anthropic-messages" ? fault : undefined);

/** Two models behind each other: what the first does, what the second does. */
export const chainCases: readonly FailureCase[] = [
  { layer: "chain", fault: "none, for comparison", isChain: true, expect: { ...verified, backMs: 0, callsMax: 3 } },
  { layer: "chain", fault: "the first is down", isChain: true, faults: ofFirst(down), expect: { ...degraded, backMs: [0, 20 * secondMs], callsMax: 12, did: ["retry", other] } },
  { layer: "chain", fault: "the first refuses the key", isChain: true, faults: ofFirst({ kind: "status", status: 401 }), expect: { ...degraded, backMs: 0, callsMax: 6, did: ["MODEL_AUTH", other] } },
  { layer: "chain", fault: "the account of the first is out of money", isChain: true, faults: ofFirst({ kind: "status", status: 400, reason: "credit" }), expect: { ...degraded, backMs: 0, callsMax: 6, did: ["MODEL_BILLING", other] } },
  { layer: "chain", fault: "the first asks to be left alone for an hour", isChain: true, faults: ofFirst({ kind: "status", status: 429, wait: { ms: 60 * minuteMs, as: "seconds" } }), expect: { ...degraded, backMs: 0, callsMax: 4, did: [other] } },
  { layer: "chain", fault: "the first asks for 15 s each time", isChain: true, faults: ofFirst({ kind: "status", status: 429, wait: { ms: 15 * secondMs, as: "seconds" } }), expect: { ...degraded, backMs: [15 * secondMs, minuteMs], callsMax: 9, did: ["retry", other] } },
  { layer: "chain", fault: "the first says nothing", isChain: true, faults: ofFirst({ kind: "hang" }), expect: { ...degraded, backMs: [3 * minuteMs, 3 * minuteMs + 20 * secondMs], callsMax: 6, did: ["MODEL_TIMEOUT", other] } },
  { layer: "chain", fault: "the stream of the first breaks off half-way, once", isChain: true, faults: (call) => (call === 2 ? { kind: "cut", afterEvents: 5 } : undefined), expect: { ...verified, backMs: [0, 20 * secondMs], callsMax: 4, did: ["retry"] } },
  { layer: "chain", fault: "the stream of the first breaks off half-way for a minute", isChain: true, faults: (call, passedMs, wire) => (wire === "anthropic-messages" && call > 1 && passedMs < minuteMs ? { kind: "cut", afterEvents: 5 } : undefined), expect: { ...verified, backMs: [minuteMs, 3 * minuteMs], callsMax: 8, did: ["retry", "waiting(retry)"] } },
  { layer: "chain", fault: "both are down for ten minutes", isChain: true, faults: (_, passedMs) => (passedMs < 10 * minuteMs ? down : undefined), expect: { ...verified, backMs: [10 * minuteMs, 40 * minuteMs], callsMax: 30, did: ["retry", "waiting("] } },
  { layer: "chain", fault: "both refuse the key", isChain: true, faults: () => ({ kind: "status", status: 401 }), expect: { end: "dead(auth)", deliveries: 0, backMs: 0, callsMax: 2, spentMicroUsdMax: 0, did: ["MODEL_AUTH"] } },
  {
    layer: "chain", fault: "the first is down in one turn, and the process dies after it", isChain: true, faults: (call, _, wire) => (wire === "anthropic-messages" && call < 4 ? down : undefined),
    hooks: (world) => ({
      lookUp: ({ count, signal }) => {
        if (count > 1) return undefined;
        world.die();
        return untilAborted(signal);
      },
    }),
    expect: { ...degraded, backMs: [20 * secondMs, 40 * secondMs], callsMax: 6, did: ["process died", "retry", other] },
  },
];
