import type { Fault } from "../../../src/lab/provider/index.ts";
import type { FailureCase } from "../case.ts";
import { untilAborted } from "../hooks.ts";
import type { World } from "../world.ts";
import { hourMs, minuteMs, secondMs, verified } from "./faults.ts";

const locked: Fault = { kind: "status", status: 401 };
/** The key is rotated when ten orders have died of it: the eleventh finds a courier that nobody calls for a minute or so. */
const lockedForTen = (call: number): Fault | undefined => (call <= 10 ? locked : undefined);
const held = ["breaker refused", "waiting(breaker)"] as const;
const common = { layer: "callee", via: "call", others: 10, limits: { concurrency: 20 }, faults: lockedForTen } as const;

/** Ten orders die, then one more comes. */
const eleventh = (then: (world: World) => Promise<void> = () => Promise.resolve()) => async (world: World): Promise<void> => {
  await world.submitOthers();
  await world.submit();
  await then(world);
};

/** A flow calls the courier for each of eleven orders, of which the first ten die. */
export const calleeCases: readonly FailureCase[] = [
  { ...common, fault: "ten calls died, and the next waits until the courier is tried again", play: eleventh(), expect: { ...verified, backMs: [40 * secondMs, 90 * secondMs], callsMax: 13, did: held } },
  {
    ...common, fault: "the process dies while the next waits",
    play: eleventh(async (world) => {
      await world.advance(20 * secondMs);
      world.die();
    }),
    expect: { ...verified, backMs: [40 * secondMs, 2 * minuteMs], callsMax: 13, did: ["process died", ...held] },
  },
  {
    ...common, fault: "the process dies in the trial",
    hooks: (world) => ({
      lookUp: ({ count, signal }) => {
        if (count > 1) return undefined;
        world.die();
        return untilAborted(signal);
      },
    }),
    play: eleventh(),
    expect: { ...verified, backMs: [minuteMs, 2 * minuteMs], callsMax: 13, did: ["process died", ...held] },
  },
  {
    ...common, fault: "a person closes it at once",
    play: eleventh(async (world) => {
      await world.advance(secondMs);
      await world.team.live.operations.decideBreaker("agent courier", "close", "cli");
    }),
    expect: { ...verified, backMs: secondMs, callsMax: 13, did: held },
  },
  {
    ...common, fault: "a person keeps it shut for an hour",
    play: eleventh(async (world) => {
      await world.team.live.operations.decideBreaker("agent courier", { isolate: "its key is rotated" }, "cli");
      await world.advance(hourMs);
      await world.team.live.operations.decideBreaker("agent courier", "close", "cli");
    }),
    expect: { ...verified, backMs: hourMs, callsMax: 13, did: held },
  },
  {
    ...common, fault: "the next is canceled while it waits",
    play: eleventh(async (world) => {
      await world.advance(10 * secondMs);
      await world.team.live.operations.cancel(world.taskId, "no longer wanted");
    }),
    expect: { end: "canceled", deliveries: 0, backMs: 10 * secondMs, callsMax: 10, did: held },
  },
];
