import type { FailureCase } from "../case.ts";
import { untilAborted } from "../hooks.ts";
import { lookAgainMs, secondMs, verified } from "./faults.ts";

/** A point that fails the first times it is reached. */
const failing = (what: string, times = 1) => ({ count }: { readonly count: number }): undefined => {
  if (count <= times) throw new Error(what);
};
const hanging = (times = 1) => ({ count, signal }: { readonly count: number; readonly signal: AbortSignal }): unknown => (count <= times ? untilAborted(signal) : undefined);
const answering = (value: unknown, times = 1) => ({ count }: { readonly count: number }): unknown => (count <= times ? value : undefined);

const timeoutMs = 10 * secondMs;
/** One call of the model more than without the fault. */
const once = { ...verified, backMs: 0, callsMax: 4 } as const;
const asks = { end: "waiting(unknown-effect)", callsMax: 2, did: ["asks a person"] } as const;

/** What the team's own tools, their reconcile and its verify do. */
export const toolCases: readonly FailureCase[] = [
  { layer: "tool", fault: "a read throws", hooks: () => ({ lookUp: failing("the shelf list is locked") }), expect: { ...once, did: ["look_up failed"] } },
  { layer: "tool", fault: "a read throws always", hooks: () => ({ lookUp: failing("the shelf list is locked", 99) }), expect: { end: "dead(looping)", deliveries: 0, backMs: 0, callsMax: 8, did: ["look_up failed"] } },
  { layer: "tool", fault: "a read hangs", hooks: () => ({ lookUp: hanging() }), expect: { ...once, backMs: timeoutMs, did: ["look_up failed"] } },
  { layer: "tool", fault: "a read answers nonsense", hooks: () => ({ lookUp: answering({ rows: [] }) }), expect: once },
  { layer: "tool", fault: "a read answers 3 MB", hooks: () => ({ lookUp: answering({ fact: 7, page: "x".repeat(3_000_000) }) }), expect: { ...once, did: ["look_up failed"] } },
  { layer: "tool", fault: "a read answers what is not JSON", hooks: () => ({ lookUp: answering({ fact: () => 1 }) }), expect: { ...once, did: ["look_up failed"] } },
  { layer: "tool", fault: "a delivery throws before it is made", hooks: () => ({ beforeDelivery: failing("the gate is closed") }), expect: { ...once, did: ["deliver failed"] } },
  { layer: "tool", fault: "a delivery throws after it is made", hooks: () => ({ afterDelivery: failing("the line was cut") }), expect: { ...verified, backMs: 0, callsMax: 3 } },
  { layer: "tool", fault: "a delivery hangs before it is made", hooks: () => ({ beforeDelivery: hanging() }), expect: { ...once, backMs: timeoutMs + lookAgainMs, did: ["deliver failed"] } },
  { layer: "tool", fault: "a delivery hangs after it is made", hooks: () => ({ afterDelivery: hanging() }), expect: { ...verified, backMs: timeoutMs, callsMax: 3 } },
  { layer: "tool", fault: "a delivery hangs after it is made, without reconcile", without: "reconcile", hooks: () => ({ afterDelivery: hanging() }), expect: { ...asks, deliveries: 1, backMs: timeoutMs } },
  { layer: "tool", fault: "a delivery hangs, and reconcile throws", hooks: () => ({ afterDelivery: hanging(), reconcile: failing("the sink is down", 9) }), expect: { ...asks, deliveries: 1, backMs: timeoutMs } },
  { layer: "tool", fault: "a delivery hangs, and reconcile does not know", hooks: () => ({ afterDelivery: hanging(), reconcile: answering({ happened: "unknown" }, 9) }), expect: { ...asks, deliveries: 1, backMs: timeoutMs } },
  { layer: "tool", fault: "a delivery hangs, and reconcile hangs", hooks: () => ({ afterDelivery: hanging(), reconcile: hanging(9) }), expect: { ...asks, deliveries: 1, backMs: [timeoutMs, 3 * timeoutMs] } },
  { layer: "tool", fault: "verify throws once", hooks: () => ({ verify: failing("the source is down") }), expect: { ...verified, backMs: [0, secondMs], callsMax: 3 } },
  { layer: "tool", fault: "verify hangs once", hooks: () => ({ verify: hanging() }), expect: { ...verified, backMs: [600 * secondMs, 601 * secondMs], callsMax: 3 } },
  { layer: "tool", fault: "verify says what it may not", hooks: () => ({ verify: answering("yes", 9) }), expect: { end: "dead(invalid-output)", deliveries: 1, backMs: 0, callsMax: 3, did: ["TASK_OUTPUT_INVALID"] } },
];
