import type { Fault } from "../../../src/lab/provider/index.ts";
import type { FailureCase } from "../case.ts";
import { untilAborted } from "../hooks.ts";
import type { World } from "../world.ts";
import { always, hourMs, minuteMs, secondMs, verified } from "./faults.ts";

const downMs = 20 * secondMs;
const locked: Fault = { kind: "status", status: 401 };
const dead = { end: "dead(failed)", deliveries: 0, undoing: "unverified" } as const;
const undone = "undone";

/** The process dies the first times that this point is reached. */
const deadly = (world: World, times = 1) => ({ count, signal }: { readonly count: number; readonly signal: AbortSignal }): unknown => {
  if (count > times) return undefined;
  world.die();
  return untilAborted(signal);
};

const failing = (times: number) => ({ count }: { readonly count: number }): unknown => (count <= times ? Promise.reject(new Error("the slots are locked")) : undefined);

/** It is canceled so much after it was begun. */
const canceled = (afterMs: number) => async (world: World): Promise<void> => {
  await world.submit();
  await world.advance(afterMs);
  await world.team.live.operations.cancel(world.taskId, "no longer wanted");
};

/** A flow takes a slot, registers what frees it, and calls the courier. */
export const compensationCases: readonly FailureCase[] = [
  { layer: "compensation", fault: "none, for comparison", via: "saga", expect: { ...verified, backMs: 0, callsMax: 3 } },
  { layer: "compensation", fault: "the courier dies", via: "saga", faults: always(locked), expect: { ...dead, backMs: 0, callsMax: 1, did: [undone] } },
  { layer: "compensation", fault: "the process dies after the slot was taken, before its commit", via: "saga", hooks: (world) => ({ afterSlot: deadly(world) }), expect: { ...verified, backMs: downMs, callsMax: 3, did: ["process died"] } },
  { layer: "compensation", fault: "the process dies in the undoing, before the slot is free", via: "saga", faults: always(locked), hooks: (world) => ({ beforeFreeing: deadly(world) }), expect: { ...dead, backMs: downMs, callsMax: 1, did: ["process died", undone] } },
  { layer: "compensation", fault: "the process dies in the undoing, after the slot is free", via: "saga", faults: always(locked), hooks: (world) => ({ afterFreeing: deadly(world) }), expect: { ...dead, backMs: downMs, callsMax: 1, did: ["process died", undone] } },
  { layer: "compensation", fault: "the process dies three times in the undoing", via: "saga", faults: always(locked), hooks: (world) => ({ afterFreeing: deadly(world, 3) }), expect: { ...dead, backMs: 3 * downMs, callsMax: 1, did: ["process died ×3", undone] } },
  { layer: "compensation", fault: "the undoing fails twice", via: "saga", faults: always(locked), hooks: () => ({ beforeFreeing: failing(2) }), expect: { ...dead, backMs: [0, 20 * secondMs], callsMax: 1, did: [undone] } },
  { layer: "compensation", fault: "the undoing fails for good", via: "saga", faults: always(locked), hooks: () => ({ beforeFreeing: failing(99) }), expect: { ...dead, undoing: "dead(compensation-failed)", backMs: [0, 20 * secondMs], callsMax: 1 } },
  { layer: "compensation", fault: "the undoing fails for good, and is restarted when the cause is mended", via: "saga", faults: always(locked), hooks: () => ({ beforeFreeing: failing(3) }),
    play: async (world) => {
      await world.submit();
      await world.advance(hourMs);
      const { runId } = await world.team.task(world.taskId);
      await world.team.live.operations.restart(`c_${runId}`);
    },
    expect: { ...dead, backMs: hourMs, callsMax: 1, did: [undone] },
  },
  { layer: "compensation", fault: "it is canceled while the courier waits for a rate limit", via: "saga", faults: always({ kind: "status", status: 429, wait: { ms: hourMs, as: "seconds" } }), play: canceled(minuteMs), expect: { ...dead, end: "canceled", backMs: minuteMs, callsMax: 1, did: ["waiting(child)", undone] } },
  { layer: "compensation", fault: "it is canceled while the slot is being taken", via: "saga", hooks: () => ({ afterSlot: ({ signal }) => untilAborted(signal) }), play: canceled(5 * secondMs), expect: { ...dead, end: "canceled", backMs: [5 * secondMs, 2 * minuteMs], callsMax: 0, did: [undone] } },
  {
    layer: "compensation", fault: "it is canceled, and the process dies with that", via: "saga", faults: always({ kind: "status", status: 429, wait: { ms: hourMs, as: "seconds" } }),
    play: async (world) => {
      await canceled(minuteMs)(world);
      world.die();
    },
    expect: { ...dead, end: "canceled", backMs: [minuteMs, minuteMs + downMs], callsMax: 1, did: ["process died", undone] },
  },
];
