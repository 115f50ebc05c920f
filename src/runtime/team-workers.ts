import type { KnownWorker } from "../engine/restate/workers.ts";
import type { DutyView, OperatorView, OwnerView } from "./operator-view.ts";

/** A worker of a team on a cluster, as `longhaul ps --json` has it. Instants are ISO-8601 in UTC, by PostgreSQL's clock. */
export interface TeamWorker {
  /** Its machine and process. */
  readonly name: string;
  /** Where Restate finds it, behind a balancer the balancer's. */
  readonly address: string;
  /** "gone": silent for longer than 30 s. It was killed, or is cut off from PostgreSQL, and then comes back. */
  readonly state: "live" | "gone";
  readonly hasDuties: boolean;
  readonly seenAt: string;
  readonly silentMs: number;
  /** Why it does not reach Restate, a sentence; null when it does, and of one that is gone. */
  readonly trouble: string | null;
}

/** The same as `longhaul health` counts them. */
export interface WorkerCounts {
  readonly live: number;
  readonly gone: number;
  /** Those that live and do not reach Restate. */
  readonly troubled: readonly Pick<TeamWorker, "name" | "trouble">[];
}

/** Live ones first, in the order in which they came; then the gone, the one that was seen last first. Null, where the data is one process's own. */
export async function findTeamWorkers(view: Pick<OperatorView, "knownWorkers" | "keeper">): Promise<readonly TeamWorker[] | null> {
  const [known, keeper] = await Promise.all([view.knownWorkers(), view.keeper()]);
  return known === null ? null : toTeamWorkers(known, keeper);
}

export function toTeamWorkers(known: readonly KnownWorker[], keeper: OwnerView | DutyView | null): readonly TeamWorker[] {
  const holder = keeper?.type === "worker" && keeper.heldMs > 0 ? keeper.holder : null;
  return known.map(({ name, uri, isLive, seenAtMs, silentMs, trouble }) => ({ name, address: uri, state: isLive ? "live" : "gone", hasDuties: name === holder, seenAt: new Date(seenAtMs).toISOString(), silentMs, trouble: isLive ? trouble : null }));
}

export function countWorkers(workers: readonly TeamWorker[]): WorkerCounts {
  const live = workers.filter(({ state }) => state === "live");
  return { live: live.length, gone: workers.length - live.length, troubled: live.flatMap(({ name, trouble }) => (trouble === null ? [] : [{ name, trouble }])) };
}
