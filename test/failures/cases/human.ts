import type { Fault } from "../../../src/lab/provider/index.ts";
import type { FailureCase } from "../case.ts";
import { untilAborted } from "../hooks.ts";
import type { World } from "../world.ts";
import { always, first, hourMs, minuteMs, secondMs, verified } from "./faults.ts";

const timeoutMs = 10 * secondMs;
const hanging = ({ count, signal }: { readonly count: number; readonly signal: AbortSignal }): unknown => (count === 1 ? untilAborted(signal) : undefined);

/** Somebody decides about a delivery of which nobody knows, so much later. */
const deciding = (decision: "happened" | "retry" | "fail", afterMs: number) => async (world: World): Promise<void> => {
  if (world.taskId === "") await world.submit();
  await world.untilRest();
  await world.advance(afterMs);
  const { runId } = await world.team.task(world.taskId);
  const receipt = world.outside.find(world.outside.order)?.receipt;
  await world.team.live.operations.approve(runId ?? "", decision, receipt === undefined ? undefined : { receipt });
};

/** What is wrong with the account is put right an hour later, and the task is begun again. */
function restarted(fault: string, struck: Fault): FailureCase {
  return {
    layer: "human", fault, faults: first(struck),
    play: async (world) => {
      await world.submit();
      await world.untilRest();
      await world.advance(hourMs);
      await world.team.live.operations.restart(world.taskId);
    },
    expect: { ...verified, backMs: hourMs, callsMax: 4 },
  };
}

const limited: Fault = { kind: "status", status: 429, wait: { ms: hourMs, as: "seconds" } };
const asked = ["asks a person", "waiting(unknown-effect)", "a person decides"] as const;

/** What people do about it. */
export const humanCases: readonly FailureCase[] = [
  { layer: "human", fault: "says that the delivery happened", without: "reconcile", hooks: () => ({ afterDelivery: hanging }), play: deciding("happened", hourMs), expect: { ...verified, backMs: hourMs + timeoutMs, callsMax: 3, did: asked } },
  { layer: "human", fault: "has the delivery made again, which did not happen", without: "reconcile", hooks: () => ({ beforeDelivery: hanging }), play: deciding("retry", hourMs), expect: { ...verified, backMs: hourMs + timeoutMs, callsMax: 3, did: asked } },
  { layer: "human", fault: "gives the delivery up, which did not happen", without: "reconcile", hooks: () => ({ beforeDelivery: hanging }), play: deciding("fail", minuteMs), expect: { ...verified, backMs: minuteMs + timeoutMs, callsMax: 4, did: asked } },
  { layer: "human", fault: "decides after three hours", without: "reconcile", hooks: () => ({ afterDelivery: hanging }), play: deciding("happened", 3 * hourMs), expect: { ...verified, backMs: 3 * hourMs + timeoutMs, callsMax: 3, did: asked } },
  restarted("adds credit and restarts the task", { kind: "status", status: 400, reason: "credit" }),
  restarted("rotates the key and restarts the task", { kind: "status", status: 401 }),
  {
    layer: "human", fault: "adds credit after the delivery and forks from the call that failed", faults: (call) => (call === 3 ? { kind: "status", status: 400, reason: "credit" } : undefined),
    play: async (world) => {
      await world.submit();
      await world.untilRest();
      await world.advance(hourMs);
      const { runId } = await world.team.task(world.taskId);
      const failed = (await world.team.live.tasks.steps(runId ?? "")).findLast(({ kind }) => kind === "model");
      await world.team.live.operations.fork(world.taskId, failed?.number ?? 0);
    },
    expect: { ...verified, backMs: hourMs, callsMax: 4, did: ["MODEL_BILLING"] },
  },
  {
    layer: "human", fault: "is asked, and the process dies before the answer", without: "reconcile", hooks: () => ({ afterDelivery: hanging }),
    play: async (world) => {
      await world.submit();
      await world.untilRest();
      world.die();
      await deciding("happened", hourMs)(world);
    },
    expect: { ...verified, backMs: [hourMs, hourMs + minuteMs], callsMax: 3, did: ["process died", ...asked] },
  },
  {
    layer: "human", fault: "cancels it while it waits", faults: always(limited),
    play: async (world) => {
      await world.submit();
      await world.advance(minuteMs);
      await world.team.live.operations.cancel(world.taskId, "no longer wanted");
    },
    expect: { end: "canceled", deliveries: 0, backMs: minuteMs, callsMax: 1 },
  },
  {
    layer: "human", fault: "cancels it in the middle of a model call", faults: always({ kind: "hang", afterEvents: 3 }),
    play: async (world) => {
      await world.submit();
      await world.advance(5 * secondMs);
      await world.team.live.operations.cancel(world.taskId, "no longer wanted");
    },
    expect: { end: "canceled", deliveries: 0, backMs: 5 * secondMs, callsMax: 1 },
  },
  {
    layer: "human", fault: "gives the same order twice",
    play: async (world) => {
      await world.submit();
      await world.submit();
    },
    expect: { ...verified, backMs: 0, callsMax: 3 },
  },
];
