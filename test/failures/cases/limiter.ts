import type { FailureCase } from "../case.ts";
import type { World } from "../world.ts";
import { during, minuteMs, secondMs } from "./faults.ts";

const all = { end: "verified", deliveries: 12 } as const;
const callsOfAll = 36;

/** Twelve agents begin at one instant. */
const burst = (then: (world: World) => Promise<void> = () => Promise.resolve()) => async (world: World): Promise<void> => {
  await world.submitOthers();
  await world.submit();
  await then(world);
};

/** Twelve agents on one account of a provider. */
export const limiterCases: readonly FailureCase[] = [
  { layer: "limiter", fault: "none, for comparison", others: 11, play: burst(), expect: { ...all, backMs: [0, secondMs], callsMax: callsOfAll } },
  { layer: "limiter", fault: "twelve calls a minute", others: 11, provider: () => ({ requestsPerMinute: 12 }), play: burst(), expect: { ...all, backMs: [2 * minuteMs, 5 * minuteMs], callsMax: callsOfAll + 12 } },
  { layer: "limiter", fault: "sixty calls a minute, which shrink to six", others: 11, provider: (passedMs) => ({ requestsPerMinute: passedMs < 3 * secondMs ? 60 : 6 }), faults: () => ({ kind: "latency", ms: 2 * secondMs }), play: burst(), expect: { ...all, backMs: [2 * minuteMs, 12 * minuteMs], callsMax: callsOfAll + 24 } },
  { layer: "limiter", fault: "429 to all for a minute, without retry-after", others: 11, faults: during(minuteMs, { kind: "status", status: 429 }), play: burst(), expect: { ...all, backMs: [minuteMs, 5 * minuteMs], callsMax: callsOfAll + 60 } },
  { layer: "limiter", fault: "429 to all for a minute, each time with retry-after of a minute", others: 11, faults: during(minuteMs - secondMs, { kind: "status", status: 429, wait: { ms: minuteMs, as: "seconds" } }), play: burst(), expect: { ...all, backMs: [minuteMs, 3 * minuteMs], callsMax: callsOfAll + 12 } },
  {
    layer: "limiter", fault: "twelve calls a minute, and the process dies among them", others: 11, provider: () => ({ requestsPerMinute: 12 }),
    play: burst(async (world) => {
      await world.advance(70 * secondMs);
      world.die();
    }),
    expect: { ...all, backMs: [2 * minuteMs, 6 * minuteMs], callsMax: callsOfAll + 24, did: ["process died"] },
  },
];
