import { LonghaulError } from "../base/error.ts";
import type { ClusterPlace } from "../runtime/cluster-place.ts";

export interface ClusterFlags {
  readonly engine?: "embedded" | "restate";
  readonly restateIngress: string;
  readonly restateAdmin: string;
  readonly listen: string;
  readonly advertise?: string;
  readonly identityKey: readonly string[];
}

/** Where the team lives, when several processes serve it; null: in the data directory. @throws {OPTION_INVALID} */
export function toClusterPlace(store: string | null, flags: ClusterFlags): ClusterPlace | null {
  const { engine = store === null ? "embedded" : "restate", restateIngress, restateAdmin, listen, advertise, identityKey } = flags;
  if (engine === "embedded") return null;
  // The address holds a password: it is not repeated.
  if (store === null || !/^postgres(ql)?:\/\//.test(store)) throw new LonghaulError("OPTION_INVALID", "The engine restate needs a database: give --store postgres://user@host/database, or set LONGHAUL_STORE.");
  return {
    store,
    restate: { ingress: restateIngress, admin: restateAdmin },
    listen: parseListen(listen),
    ...(advertise === undefined ? {} : { uri: advertise }),
    identityKeys: identityKey,
  };
}

function parseListen(text: string): ClusterPlace["listen"] {
  const [, host, port] = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || Number(port) > 65_535) throw new LonghaulError("OPTION_INVALID", `--listen is ${text}, not host:port. Use, for instance, 127.0.0.1:9080.`);
  return { host, port: Number(port) };
}
