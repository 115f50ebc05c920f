import { RestatePromise, type Context, type internal } from "@restatedev/restate-sdk";
import type { StepIdentity } from "../../record/step.ts";
import type { JournaledStep } from "../journaled-step.ts";
import { EnvelopeSerde, stored, type Ended, type Envelope } from "./envelope.ts";

/** All steps have one name for Restate. Which one it is stands in what it comes to: so changed code is found by us, and not by Restate. */
export const runName = "step";

/** Steps of one run that execute at once; the others wait for them. A race over many costs Restate's SDK more than the steps. */
export const runningMax = 64;

/** Calls of which it is kept where their journals end. */
const endsMax = 1_000;

/**
 * Where journals end that hold, behind their calls, that an attempt returned: it was cut off when Restate had noted that, and had not ended the call. The SDK does not say what comes next in a
 * journal, and an attempt that makes a call too many is over. So that is how one finds out, and the next one returns in that place.
 */
export class JournalEnds {
  readonly #calls = new Map<string, number>();

  note(invocationId: string, calls: number): void {
    this.#calls.set(invocationId, calls);
    const [oldest] = this.#calls.keys();
    if (this.#calls.size > endsMax && oldest !== undefined) this.#calls.delete(oldest);
  }

  /** Once: an attempt that is over for another reason may have noted it, and the next one finds out anew. */
  take(invocationId: string): number | null {
    const calls = this.#calls.get(invocationId);
    this.#calls.delete(invocationId);
    return calls ?? null;
  }
}

/** True while Restate's journal of this activation holds calls of earlier attempts that this one has not made. */
export function isReplaying(context: Context): boolean {
  return !(context as unknown as internal.ContextInternal).isProcessing();
}

/** Makes the calls that Restate's journal holds, as an attempt has to before it may return. Nobody has to await them: then nothing of them executes. */
export function callRecorded(context: Context, ends: JournalEnds): readonly RestatePromise<Envelope>[] {
  const { id, attemptCompletedSignal } = context.request();
  attemptCompletedSignal.throwIfAborted();
  const end = ends.take(id);
  const calls: RestatePromise<Envelope>[] = [];
  while (isReplaying(context) && calls.length !== end) {
    const before = lastCommand(context);
    const call = context.run<Envelope>(runName, () => Promise.resolve({ type: "gone" }), { serde: new EnvelopeSerde() });
    if (lastCommand(context) === before) {
      // The call before this one ended the attempt: it is not what the journal holds in its place.
      if (calls.length > 0) ends.note(id, calls.length - 1);
      throw new Error("Restate's journal holds what an earlier attempt came to. The next attempt ends the call there.");
    }
    calls.push(call);
  }
  return calls;
}

/** The index of the last call of this attempt, which one has also that does not fit the journal and ends the attempt. Once it is over, no call has one. */
function lastCommand(context: Context): number {
  return (context as unknown as { readonly coreVm: { last_command_index(): number } }).coreVm.last_command_index();
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
export async function readRecorded(context: Context, ends: JournalEnds): Promise<readonly Ended[]> {
  const calls = callRecorded(context, ends).map((call, index) => call.map<Arrival>((envelope) => ({ call: index, envelope: envelope ?? { type: "gone" } })));
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
      // So it is when the attempt is over.
      if (awakeables.has(id)) throw new Error("This attempt is over for Restate, which calls again.");
      awakeables.set(id, promise);
    }
    const rung = awakeables.get(awakeable)?.map<Arrival>((step) => ({ awakeable, identity, step }));
    if (rung !== undefined) waiting.set(awakeable, rung);
  }
}
