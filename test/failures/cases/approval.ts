import { replyToolCall, type Script, toolResultsOf } from "../../../src/lab/provider/index.ts";
import type { FailureCase } from "../case.ts";
import { orderOf } from "../courier.ts";
import { untilAborted } from "../hooks.ts";
import type { World } from "../world.ts";
import { hourMs, listenMs, lookAgainMs, minuteMs, secondMs, verified } from "./faults.ts";

const downMs = 20 * secondMs;

/** Answers the question that the run waits with. */
async function answer(world: World, decision: "allow" | "deny"): Promise<void> {
  const { runId } = await world.team.task(world.taskId);
  await world.team.live.operations.approve(runId ?? "", decision);
}

/** A person is asked, and does this so much later. */
const asking = (afterMs: number, then: (world: World) => Promise<void>) => async (world: World): Promise<void> => {
  await world.submit();
  await world.advance(afterMs);
  await then(world);
};

/** The process dies the first time that this point is reached. */
const deadly = (world: World) => ({ count, signal }: { readonly count: number; readonly signal: AbortSignal }): unknown => {
  if (count > 1) return undefined;
  world.die();
  return untilAborted(signal);
};

/** Delivers something that is not true as its second call of the tool. */
const misled = (courier: Script): Script => (request, context) => {
  const tries = toolResultsOf(request).filter(({ name }) => name === "deliver").length;
  return tries === 1 ? replyToolCall("deliver", { order: orderOf(request), fact: "shelf 0" }) : courier(request, context);
};

const asks = ["asks a person", "waiting(human)"] as const;

/** A delivery that a person has to allow, and what may go wrong until it is made. */
export const approvalCases: readonly FailureCase[] = [
  { layer: "approval", fault: "none, allowed after an hour", approvalWithin: "1d", play: asking(hourMs, (world) => answer(world, "allow")), expect: { ...verified, backMs: hourMs, callsMax: 3, did: [...asks, "a person allows it"] } },
  {
    layer: "approval", fault: "the process dies while a person is asked", approvalWithin: "1d",
    play: asking(minuteMs, async (world) => {
      world.die();
      await world.advance(hourMs);
      await answer(world, "allow");
    }),
    expect: { ...verified, backMs: [hourMs, hourMs + 2 * minuteMs], callsMax: 3, did: ["process died", ...asks, "a person allows it"] },
  },
  {
    layer: "approval", fault: "the process dies right before the commit of the answer", approvalWithin: "1d",
    play: asking(minuteMs, async (world) => {
      world.dieAt("before", () => true);
      // Nobody was told that it was taken; on a cluster nobody hears of it at all.
      void answer(world, "allow").catch(() => undefined);
      await world.advance(minuteMs);
      const { status } = await world.team.task(world.taskId);
      if (status === "waiting") await answer(world, "allow");
    }),
    expect: { ...verified, backMs: [minuteMs, 3 * minuteMs], callsMax: 3, did: ["process died", ...asks, "a person allows it"] },
  },
  { layer: "approval", fault: "the process dies after the permission, before the delivery", approvalWithin: "1d", hooks: (world) => ({ beforeDelivery: deadly(world) }), play: asking(minuteMs, (world) => answer(world, "allow")), expect: { ...verified, backMs: minuteMs + downMs + lookAgainMs + listenMs, callsMax: 3, did: ["process died", ...asks, "a person allows it"] } },
  { layer: "approval", fault: "the process dies after the delivery, before its commit", approvalWithin: "1d", hooks: (world) => ({ afterDelivery: deadly(world) }), play: asking(minuteMs, (world) => answer(world, "allow")), expect: { ...verified, backMs: minuteMs + downMs, callsMax: 3, did: ["process died", ...asks, "a person allows it"] } },
  {
    layer: "approval", fault: "two people answer at once, and otherwise", approvalWithin: "1d",
    play: asking(minuteMs, async (world) => {
      const answers = await Promise.allSettled([answer(world, "allow"), answer(world, "deny"), answer(world, "allow")]);
      if (answers.filter(({ status }) => status === "fulfilled").length !== 1) throw new Error("more than one answer was taken");
    }),
    expect: { ...verified, backMs: minuteMs, callsMax: 3, did: [...asks, "a person allows it"] },
  },
  {
    layer: "approval", fault: "nobody answers in time, and somebody does when it is asked again", approvalWithin: "1h",
    play: asking(hourMs + minuteMs, (world) => answer(world, "allow")),
    expect: { ...verified, backMs: hourMs + minuteMs, callsMax: 4, did: [...asks, "nobody answers in time", "asks a person", "a person allows it"] },
  },
  {
    layer: "approval", fault: "one call is allowed, and the model makes another with other arguments", approvalWithin: "1d", script: misled,
    hooks: () => ({ beforeDelivery: ({ count }) => (count === 1 ? Promise.reject(new Error("the sink is full")) : undefined) }),
    play: asking(minuteMs, async (world) => {
      await answer(world, "allow");
      await world.advance(minuteMs);
      await answer(world, "deny");
      await world.advance(minuteMs);
      await answer(world, "allow");
    }),
    expect: { ...verified, backMs: 3 * minuteMs, callsMax: 5, did: [...asks, "a person allows it", "deliver failed", "asks a person", "a person refuses it", "asks a person", "a person allows it"] },
  },
  {
    layer: "approval", fault: "it is canceled while a person is asked, who answers all the same", approvalWithin: "1d",
    play: asking(minuteMs, async (world) => {
      await world.team.live.operations.cancel(world.taskId, "no longer wanted");
      await answer(world, "allow").catch(() => undefined); // It is refused: nothing waits for it.
    }),
    expect: { end: "canceled", deliveries: 0, backMs: minuteMs, callsMax: 2, did: asks },
  },
];
