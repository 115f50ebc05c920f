import type { FailureCase } from "../case.ts";
import { untilAborted } from "../hooks.ts";
import type { World } from "../world.ts";
import { first, listenMs, lookAgainMs, minuteMs, secondMs, verified } from "./faults.ts";

/** How long the process is away each time. */
const downMs = 20 * secondMs;

/** A point at which the process dies, the first times that it is reached. */
const deadly = (world: World, times = 1) => ({ count, signal }: { readonly count: number; readonly signal: AbortSignal }): unknown => {
  if (count > times) return undefined;
  world.die();
  return untilAborted(signal);
};

/** The process dies at an instant of a commit, once something is true. */
const dying = (instant: "before" | "after", when: (world: World) => boolean) => async (world: World): Promise<void> => {
  world.dieAt(instant, () => when(world));
  await world.submit();
};

const died = (times = 1): string => (times === 1 ? "process died" : `process died ×${times}`);
const back = (callsMax: number, times = 1): FailureCase["expect"] => ({ ...verified, backMs: times * downMs, callsMax, did: [died(times)] });

/** The process is killed, or its machine loses power, and comes back 20 s later; or it is stopped in good order. */
export const processCases: readonly FailureCase[] = [
  { layer: "process", fault: "dies in a read", hooks: (world) => ({ lookUp: deadly(world) }), expect: back(3) },
  { layer: "process", fault: "dies before the intent of a delivery", play: dying("after", (world) => world.calls === 2), expect: back(3) },
  { layer: "process", fault: "dies after the intent, before the delivery", hooks: (world) => ({ beforeDelivery: deadly(world) }), expect: { ...back(3), backMs: downMs + lookAgainMs + listenMs } },
  { layer: "process", fault: "dies after the delivery, before its commit", hooks: (world) => ({ afterDelivery: deadly(world) }), expect: back(3) },
  { layer: "process", fault: "dies right before the commit of a delivery", play: dying("before", ({ outside }) => outside.deliveries.length === 1), expect: back(3) },
  { layer: "process", fault: "dies right after the commit of a delivery", play: dying("after", ({ outside }) => outside.deliveries.length === 1), expect: back(4) },
  {
    layer: "process", fault: "dies after the delivery, without reconcile", without: "reconcile", hooks: (world) => ({ afterDelivery: deadly(world) }),
    expect: { end: "waiting(unknown-effect)", deliveries: 1, backMs: downMs, callsMax: 2, did: [died(), "asks a person"] },
  },
  {
    layer: "process", fault: "dies in reconcile after it died in the delivery", hooks: (world) => ({ afterDelivery: deadly(world), reconcile: deadly(world) }),
    expect: back(3, 2),
  },
  {
    layer: "process", fault: "dies in the middle of a model call", faults: first({ kind: "hang", afterEvents: 4 }),
    play: async (world) => {
      await world.submit();
      await world.advance(5 * secondMs);
      world.die();
    },
    expect: { ...verified, backMs: 5 * secondMs + downMs, callsMax: 4, did: [died()] },
  },
  { layer: "process", fault: "dies before the commit of a model's answer", play: dying("before", (world) => world.calls === 1), expect: back(4) },
  { layer: "process", fault: "dies after the commit of a model's answer", play: dying("after", (world) => world.calls === 1), expect: back(4) },
  { layer: "process", fault: "dies in verify", hooks: (world) => ({ verify: deadly(world) }), expect: back(3) },
  { layer: "process", fault: "dies before the commit of the end", hooks: () => ({}), play: dying("before", (world) => world.calls === 3), expect: back(4) },
  { layer: "process", fault: "dies while it waits for a rate limit", faults: first({ kind: "status", status: 429, wait: { ms: 5 * minuteMs, as: "seconds" } }),
    play: async (world) => {
      await world.submit();
      await world.advance(minuteMs);
      world.die();
    },
    expect: { ...verified, backMs: 5 * minuteMs, callsMax: 4, did: [died(), "MODEL_THROTTLED", "waiting(rate-limit)"] },
  },
  { layer: "process", fault: "is down when a rate limit ends", faults: first({ kind: "status", status: 429, wait: { ms: minuteMs, as: "seconds" } }),
    play: async (world) => {
      await world.submit();
      await world.advance(minuteMs - secondMs);
      world.die();
    },
    expect: { ...verified, backMs: minuteMs - secondMs + downMs, callsMax: 4, did: [died()] },
  },
  { layer: "process", fault: "dies three times in a row", hooks: (world) => ({ lookUp: deadly(world, 3) }), expect: back(3, 3) },
  {
    layer: "process", fault: "dies whenever it does this", hooks: (world) => ({ lookUp: deadly(world, 99) }),
    expect: { end: "dead(recovery-limit)", deliveries: 0, backMs: [10 * downMs, 15 * downMs], callsMax: 1 },
  },
  {
    layer: "process", fault: "is stopped in the middle of a model call", faults: first({ kind: "hang" }),
    play: async (world) => {
      await world.submit();
      await world.restart(minuteMs);
    },
    expect: { ...verified, backMs: minuteMs, callsMax: 4, did: ["process stopped"] },
  },
  {
    layer: "process", fault: "is stopped in the middle of a delivery", hooks: () => ({ afterDelivery: ({ count, signal }) => (count === 1 ? untilAborted(signal) : undefined) }),
    play: async (world) => {
      await world.submit();
      await world.restart(minuteMs);
    },
    expect: { ...verified, backMs: minuteMs, callsMax: 3, did: ["process stopped"] },
  },
];
