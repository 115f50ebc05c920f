import { isLonghaulError, LonghaulError, messageOf } from "../base/error.ts";
import { isJsonObject, type Json } from "../base/json.ts";
import { retryDefaults } from "../policy/retry.ts";
import type { Parked } from "./parked.ts";

/** An answer that came from another model than the first of its chain. */
export interface StandIn {
  readonly from: string;
  readonly to: string;
  readonly why: string;
}

/** How far the tries of one model of a chain got. */
export interface TriedModel {
  /** The call was prepared: what failed is the model, and not what the prompt is made of. */
  readonly isCalled: boolean;
  /** The first content of an answer was there. */
  readonly hasBegun: boolean;
}

/** What another provider may do better. Not a request that is wrong, too long or refused for what it says, and not a budget. */
const mendable: readonly string[] = ["MODEL_TRANSIENT", "MODEL_THROTTLED", "MODEL_OVERLOADED", "MODEL_AUTH", "MODEL_BILLING", "MODEL_TIMEOUT", "MODEL_UNKNOWN"];

/** True when the next model of the chain is to be asked. An error in the words of an answer is none; a model that began to answer is asked again itself, now or later. */
export function isForNextModel(error: unknown, { isCalled, hasBegun }: TriedModel): boolean {
  if (!isLonghaulError(error) || (hasBegun && error.details["isNoAnswer"] !== true)) return false;
  if (error.code === "BREAKER_OPEN") return isCalled;
  if (error.code === "LIMITER_CLOSED") return isCalled && statedMsOf(error) > retryDefaults.parkAfterMs;
  // A missing key is found before there is a call.
  return mendable.includes(error.code) && (isCalled || error.code === "MODEL_AUTH");
}

/** A model that has another behind it is tried again within this time from its first try on: no longer than one that has none waits in process before it parks. */
export const chainPatienceMs = 20_000;

function statedMsOf({ retry }: LonghaulError): number {
  return typeof retry === "object" ? retry.afterMs : 0;
}

/** Of several waits the one that ends first; null when there is none. A wait that only a signal ends is the last choice. */
export function soonestOf(waits: readonly (Parked | null)[]): Parked | null {
  const possible = waits.filter((wait) => wait !== null);
  return possible.toSorted((a, b) => (a.forMs ?? Number.POSITIVE_INFINITY) - (b.forMs ?? Number.POSITIVE_INFINITY))[0] ?? null;
}

/** The failure of a whole chain: that of its last model, with what was said of the others. */
export function chainError(failed: readonly { readonly id: string; readonly error: unknown }[]): unknown {
  const last = failed.at(-1)?.error;
  const before = failed.slice(0, -1);
  if (before.length === 0 || !isLonghaulError(last)) return last;
  const { code, message, retry, details } = last;
  return new LonghaulError(code, `${message} Before it: ${before.map(({ error }) => messageOf(error)).join(" ")}`, { retry, details, cause: last });
}

/** Goes into the journal in the place of the answer, so that a replay knows it too. */
export function standInToJson({ from, to, why }: StandIn, answer: Json): Json {
  return { standIn: { from, to, why }, answer };
}

/** The answer of a journaled call, and who gave it in whose place; `standIn` is null when the first model of the chain did. */
export function parseStandIn(value: Json): { readonly standIn: StandIn | null; readonly answer: Json } {
  if (!isJsonObject(value) || !isJsonObject(value["standIn"] ?? null)) return { standIn: null, answer: value };
  return { standIn: value["standIn"] as unknown as StandIn, answer: value["answer"] ?? null };
}

/** "openai/gpt-5.2 answered in the place of anthropic/claude-sonnet-5-5: …" */
export function describeStandIn({ from, to, why }: StandIn): string {
  return `${to} answered in the place of ${from}: ${why}`;
}

/** What a task says of them at its end: the first of each pair of models; null when there was none. */
export function describeStandIns(standIns: readonly StandIn[]): string | null {
  const told = new Map<string, { readonly first: StandIn; count: number }>();
  for (const standIn of standIns) {
    const pair = `${standIn.from} ${standIn.to}`;
    const known = told.get(pair);
    if (known === undefined) told.set(pair, { first: standIn, count: 1 });
    else known.count++;
  }
  const texts = [...told.values()].map(({ first, count }) => `${count === 1 ? "" : `${count} times `}${describeStandIn(first)}`);
  return texts.length === 0 ? null : texts.join("; ");
}
