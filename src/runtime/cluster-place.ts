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

/** Whether this machine alone reaches what listens there. */
export function isLoopback(host: string): boolean {
  return loopbackHosts.includes(host);
}

/** @throws {OPTION_INVALID} when anybody could call this process, or nobody. */
export function assertCallersKnown({ listen, identityKeys = [] }: ClusterPlace): void {
  const wrong = identityKeys.find((key) => !isIdentityKey(key));
  if (wrong !== undefined) throw new LonghaulError("OPTION_INVALID", `The identity key ${wrong} is no public key of Restate: publickeyv1_ and 32 bytes in base58. Use the one that Restate's server names when it starts.`);
  if (isLoopback(listen.host) || identityKeys.length > 0) return;
  throw new LonghaulError("OPTION_INVALID", `listen is ${listen.host}:${listen.port}, which others than this machine reach, and nothing tells Restate's calls from theirs. Give Restate's public key as identity key, or listen on 127.0.0.1.`);
}

const keyPrefix = "publickeyv1_";
const keyBytes = 32;
const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

function isIdentityKey(key: string): boolean {
  const digits = Array.from(key.slice(keyPrefix.length), (character) => base58.indexOf(character));
  if (!key.startsWith(keyPrefix) || digits.includes(-1)) return false;
  const value = digits.reduce((sum, digit) => sum * 58n + BigInt(digit), 0n);
  const zeros = digits.findIndex((digit) => digit !== 0);
  // Each leading "1" is a byte of zeros.
  return (zeros === -1 ? digits.length : zeros + Math.ceil(value.toString(16).length / 2)) === keyBytes;
}
