import type { Fault } from "../../../src/lab/provider/index.ts";
import type { FailureCase } from "../case.ts";
import type { World } from "../world.ts";
import { first, hourMs, minuteMs, secondMs, soon, verified } from "./faults.ts";

const limited: Fault = { kind: "status", status: 429, wait: { ms: 5 * minuteMs, as: "seconds" } };

/** The wall clock is set while the run waits for a limit of five minutes. */
const inWait = (byMs: number) => async (world: World): Promise<void> => {
  await world.submit();
  await world.advance(minuteMs);
  world.stepClock(byMs);
};

function waiting(fault: string, byMs: number, backMs: FailureCase["expect"]["backMs"]): FailureCase {
  return { layer: "clock", fault, faults: first(limited), play: inWait(byMs), expect: { ...verified, backMs, callsMax: 4, did: ["MODEL_THROTTLED", "waiting(rate-limit)"] } };
}

const stepped = (world: World, byMs: number) => ({ count }: { readonly count: number }): undefined => {
  if (count === 1) world.stepClock(byMs);
};

/** The wall clock is set. Limits within a step go by a clock that nobody sets, durable waits by the instant at which they end. */
export const clockCases: readonly FailureCase[] = [
  waiting("an hour forward in a wait", hourMs, [minuteMs, 5 * minuteMs]),
  // A durable wait ends at an instant of the wall clock: whoever sets that back waits for it to come again.
  waiting("an hour back in a wait", -hourMs, 5 * minuteMs + hourMs),
  { layer: "clock", fault: "an hour forward in a delivery", hooks: (world) => ({ beforeDelivery: stepped(world, hourMs) }), expect: { ...verified, backMs: 0, callsMax: 3 } },
  { layer: "clock", fault: "an hour back in a delivery", hooks: (world) => ({ beforeDelivery: stepped(world, -hourMs) }), expect: { ...verified, backMs: 0, callsMax: 3 } },
  {
    layer: "clock", fault: "an hour forward in a model call that is silent", faults: first({ kind: "hang" }),
    play: async (world) => {
      await world.submit();
      await world.advance(10 * secondMs);
      world.stepClock(hourMs);
    },
    expect: { ...verified, backMs: [minuteMs, minuteMs + secondMs], callsMax: 4, did: ["retry"] },
  },
  {
    layer: "clock", fault: "an hour back between attempts", faults: first({ kind: "status", status: 529 }, 2),
    play: async (world) => {
      await world.submit();
      world.stepClock(-hourMs);
    },
    expect: { ...verified, backMs: soon, callsMax: 5, did: ["retry"] },
  },
  {
    layer: "clock", fault: "an hour back, and the process dies in a wait", faults: first(limited),
    play: async (world) => {
      await world.submit();
      await world.advance(minuteMs);
      world.stepClock(-hourMs);
      world.die();
    },
    expect: { ...verified, backMs: 5 * minuteMs + hourMs, callsMax: 4, did: ["process died"] },
  },
];
