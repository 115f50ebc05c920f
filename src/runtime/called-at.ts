import type { Clock } from "../base/clock.ts";
import { RestateClient } from "../engine/restate/restate-client.ts";
import { isSameAddress, type LiveWorker, teamAddress } from "../engine/restate/team-address.ts";
import type { ClusterPlace } from "./cluster-place.ts";
import type { OperatorView } from "./operator-view.ts";

/** Where Restate calls a team, and where its workers are. */
export interface CalledAt {
  readonly team: string;
  /** Null: Restate does not know the team. */
  readonly called: string | null;
  /** Where it has to call it. */
  readonly address: string;
  readonly isRight: boolean;
  readonly workers: number;
  /** Workers that are at another address: no new work comes to them. */
  readonly elsewhere: readonly LiveWorker[];
}

/** Null while no worker lives, or Restate does not answer. */
export async function readCalledAt(view: OperatorView, restate: ClusterPlace["restate"], clock: Clock): Promise<CalledAt | null> {
  const [manifest, live] = await Promise.all([view.manifest(), view.workers()]);
  const address = teamAddress(live);
  if (manifest === null || address === null) return null;
  const { team } = manifest;
  const called = await new RestateClient(restate, clock).addressOf(team).catch(() => undefined);
  if (called === undefined) return null;
  return { team, called, address, isRight: called !== null && isSameAddress(called, address), workers: live.length, elsewhere: live.filter(({ uri }) => !isSameAddress(uri, address)) };
}
