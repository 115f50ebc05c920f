import { RestatePromise, type Context, type internal } from "@restatedev/restate-sdk";
import type { StepIdentity } from "../../record/step.ts";
import type { JournaledStep } from "../journaled-step.ts";
import { EnvelopeSerde, stored, type Ended, type Envelope } from "./envelope.ts";

/** All steps have one name for Restate. Which one it is stands in what it comes to: so changed code is found by us, and not by Restate. */
export const runName = "step";

/** Steps of one run that execute at once; the others wait for them. A race over many costs Restate's SDK more than the steps. */
export const runningMax = 64;

/** More than any journal holds: an attempt that is over for Restate never comes to the end of its journal. */
const callsMax = 100_000;

/** True while Restate's journal of this activation holds calls of earlier attempts that this one has not made. */
export function isReplaying(context: Context): boolean {
  return !(context as unknown as internal.ContextInternal).isProcessing();
}

/** Makes the calls that Restate's journal holds, as an attempt has to before it may return. Nobody has to await them: then nothing of them executes. */
export function callRecorded(context: Context): readonly RestatePromise<Envelope>[] {
  context.request().attemptCompletedSignal.throwIfAborted();
  const calls: RestatePromise<Envelope>[] = [];
  while (isReplaying(context) && calls.length < callsMax) calls.push(context.run<Envelope>(runName, () => Promise.resolve({ type: "gone" }), { serde: new EnvelopeSerde() }));
  if (isReplaying(context)) throw new Error("Restate's journal holds something other than steps.");
  return calls;
}

export function isSame(one: StepIdentity, other: StepIdentity): boolean {
  return one.kind === other.kind && one.name === other.name && one.occurrence === other.occurrence;
}

/** False of what somebody else told an awakeable of Restate than the end of this wait. */
export function isEndOf(step: unknown, identity: StepIdentity): step is JournaledStep {
  return typeof step === "object" && step !== null && "outcome" in step && isSame(step as JournaledStep, identity);
}

type Arrival = { readonly call: number; readonly envelope: Envelope } | { readonly awakeable: string; readonly identity: StepIdentity; readonly step: unknown };

/**
 * What earlier attempts of this activation came to, in the order in which code was told, whatever the code was. What had not ended is over: it is given nothing to do.
 * An attempt has no more calls under way than `runningMax`, and makes them in the order of the journal: so the next one that ended is always among as many of the first
 * that are left. Waits are told of by their awakeables, which have no place in that order.
 */
export async function readRecorded(context: Context): Promise<readonly Ended[]> {
  const calls = callRecorded(context).map((call, index) => call.map<Arrival>((envelope) => ({ call: index, envelope: envelope ?? { type: "gone" } })));
  const awakeables = new Map<string, RestatePromise<JournaledStep>>();
  const steps: Ended[] = [];
  const calling = new Map<number, RestatePromise<Arrival>>();
  const waiting = new Map<string, RestatePromise<Arrival>>();
  for (let next = 0; ; ) {
    for (; calling.size < runningMax && next < calls.length; next++) calling.set(next, calls[next] as RestatePromise<Arrival>);
    if (calling.size === 0) return steps;
    const arrival = await RestatePromise.race([...calling.values(), ...waiting.values()]);
    if ("awakeable" in arrival) {
      waiting.delete(arrival.awakeable);
      if (isEndOf(arrival.step, arrival.identity)) steps.push(stored(arrival.step));
      continue;
    }
    calling.delete(arrival.call);
    const { envelope } = arrival;
    if (envelope.type === "ended") steps.push(envelope);
    if (envelope.type !== "waiting") continue;
    const { awakeable, identity } = envelope;
    while (!awakeables.has(awakeable) && awakeables.size < calls.length) {
      const { id, promise } = context.awakeable<JournaledStep>();
      awakeables.set(id, promise);
    }
    const rung = awakeables.get(awakeable)?.map<Arrival>((step) => ({ awakeable, identity, step }));
    if (rung !== undefined) waiting.set(awakeable, rung);
  }
}
