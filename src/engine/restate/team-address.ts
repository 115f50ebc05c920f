import { LonghaulError } from "../../base/error.ts";
import { shellWord } from "../../base/shell-word.ts";

/** A worker that takes calls. */
export interface LiveWorker {
  /** A later one came later. */
  readonly position: number;
  /** For people: its machine and process. */
  readonly name: string;
  /** Where Restate finds it. */
  readonly uri: string;
  /** True when it was told this address, as that of all workers; false when it is its own. */
  readonly isAdvertised: boolean;
  /** Why it does not reach Restate's ingress, a sentence; null when it does. */
  readonly trouble: string | null;
}

/** What a worker says of itself when it comes. */
export type ComingWorker = Pick<LiveWorker, "name" | "uri" | "isAdvertised">;

/**
 * Where Restate is to call a team: where the worker says that was last told an address for all of them, or else where the worker is that came last. Null while no worker lives.
 * `workers` are in the order in which they came.
 */
export function teamAddress(workers: readonly LiveWorker[]): string | null {
  return (workers.findLast(({ isAdvertised }) => isAdvertised) ?? workers.at(-1))?.uri ?? null;
}

/** Restate writes addresses in its own way. */
export function isSameAddress(one: string, other: string): boolean {
  return one === other || (URL.canParse(one) && URL.canParse(other) && new URL(one).href === new URL(other).href);
}

/**
 * Null when a worker that comes may say where Restate is to call the team, else why not: it would take all calls from others, which have an address for all.
 * Who is told such an address may change it: that is how a balancer is replaced.
 */
export function refuseAddress(live: readonly LiveWorker[], coming: ComingWorker, aliveMs: number): LonghaulError | null {
  const shared = live.filter(({ isAdvertised }) => isAdvertised);
  const address = teamAddress(shared);
  if (address === null || coming.isAdvertised || isSameAddress(address, coming.uri)) return null;
  const who = shared.filter(({ uri }) => uri === address);
  const count = who.length === 1 ? "a worker that lives is" : `${who.length} workers that live are`;
  const names = who.slice(0, namedMax).map(({ name }) => name).join("; ");
  return new LonghaulError(
    "OPTION_INVALID",
    `Restate would call the team at ${coming.uri}, this worker alone: ${count} reached at ${address} (${names}${who.length > namedMax ? "; …" : ""}). Give --advertise ${shellWord(address)}, with this worker behind it too, or stop the others first; one that was killed counts for ${aliveMs / 1_000} s more.`,
  );
}

const namedMax = 3;
