import { LonghaulError } from "../base/error.ts";
import { labelOf } from "../db/postgres-pool.ts";

/** Where a team lives that several processes serve: one PostgreSQL, one Restate. Names of teams fit into names of Restate's services as they are. */
export interface ClusterPlace {
  /** `postgres://user:password@host:5432/database`. */
  readonly store: string;
  /** Everything of the team is in it; a team has one of its own. Default "longhaul". */
  readonly schema?: string;
  readonly restate: {
    /** Where tasks are begun: "http://127.0.0.1:8080". */
    readonly ingress: string;
    /** Where workers make themselves known: "http://127.0.0.1:9070". */
    readonly admin: string;
  };
  /** Where Restate calls this process. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Under which address Restate finds the workers, when that is another than `listen`: the one of a load balancer before all of them. */
  readonly uri?: string;
  /** False: this process executes behind somebody else's server, and does not make itself known. Default true. */
  readonly isWorker?: boolean;
  /** Public keys of the Restate servers that may call. Needed to listen beyond this machine. */
  readonly identityKeys?: readonly string[];
}

/** Where the data is, without the password. */
export function describeStore({ store }: Pick<ClusterPlace, "store">): string {
  return `PostgreSQL at ${labelOf(store)}`;
}

const loopbackHosts = ["127.0.0.1", "::1", "localhost"];

/** @throws {OPTION_INVALID} when anybody could call this process. */
export function assertCallersKnown({ listen, identityKeys = [] }: ClusterPlace): void {
  if (loopbackHosts.includes(listen.host) || identityKeys.length > 0) return;
  throw new LonghaulError("OPTION_INVALID", `listen is ${listen.host}:${listen.port}, which others than this machine reach, and nothing tells Restate's calls from theirs. Give Restate's public key as identity key, or listen on 127.0.0.1.`);
}
