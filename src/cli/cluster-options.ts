import { LonghaulError } from "../base/error.ts";
import { isWebAddress } from "../base/web-address.ts";
import type { ClusterPlace } from "../runtime/cluster-place.ts";
import type { CommandContext } from "./command-context.ts";

/** Undefined: not given. Whether one was tells what the person wants, so they have no defaults here. */
export interface ClusterFlags {
  readonly engine?: "embedded" | "restate";
  readonly restateIngress?: string;
  readonly restateAdmin?: string;
  readonly listen?: string;
  readonly advertise?: string;
  readonly identityKey: readonly string[];
}

export const clusterDefaults = { restateIngress: "http://127.0.0.1:8080", restateAdmin: "http://127.0.0.1:9070", listen: "127.0.0.1:9080" } as const;

/** Where the team lives, when several processes serve it; null: in the data directory. Flags that contradict each other are refused: whichever was dropped, another team than the one that is meant would run. @throws {OPTION_INVALID} */
export function toClusterPlace({ store, environment }: Pick<CommandContext, "store" | "environment">, flags: ClusterFlags): ClusterPlace | null {
  const { engine = store === null ? "embedded" : "restate", restateIngress, restateAdmin, listen, advertise, identityKey } = flags;
  const storeName = environment("LONGHAUL_STORE") === store ? "LONGHAUL_STORE" : "--store";
  if (engine === "embedded") {
    if (store !== null) throw new LonghaulError("OPTION_INVALID", `${storeName} names a database, where a team on a cluster is, and --engine embedded would run another, empty team in --data beside it. ${storeName === "--store" ? "Leave out --store" : "Unset LONGHAUL_STORE"}, or leave out --engine embedded.`);
    refuseClusterFlags(flags);
    return null;
  }
  if (store === null) throw new LonghaulError("OPTION_INVALID", "The engine restate needs a database: give --store postgres://user@host/database, or set LONGHAUL_STORE.");
  // The address may hold a password: it is not repeated.
  if (!/^postgres(ql)?:\/\//.test(store)) throw new LonghaulError("OPTION_INVALID", `${storeName} is not an address of PostgreSQL, which is the database of a team on a cluster. Use postgres://user@host/database.`);
  assertWebAddresses(flags);
  return {
    store,
    restate: { ingress: restateIngress ?? clusterDefaults.restateIngress, admin: restateAdmin ?? clusterDefaults.restateAdmin },
    listen: parseListen(listen ?? clusterDefaults.listen),
    ...(advertise === undefined ? {} : { uri: advertise }),
    identityKeys: identityKey,
  };
}

/** Such a place as options of `longhaul start`, without the store: its password has no place in a command line that others read. */
export function toClusterWords({ restate, listen, uri, identityKeys = [] }: ClusterPlace): readonly string[] {
  const host = listen.host.includes(":") ? `[${listen.host}]` : listen.host;
  return [
    "--engine", "restate", "--restate-ingress", restate.ingress, "--restate-admin", restate.admin, "--listen", `${host}:${listen.port}`,
    ...(uri === undefined ? [] : ["--advertise", uri]),
    ...identityKeys.flatMap((key) => ["--identity-key", key]),
  ];
}

/** For a team that is in its data directory. @throws {OPTION_INVALID} */
export function refuseClusterFlags({ restateIngress, restateAdmin, listen, advertise, identityKey = [] }: Partial<ClusterFlags>): void {
  const flags = { "--restate-ingress": restateIngress, "--restate-admin": restateAdmin, "--listen": listen, "--advertise": advertise, "--identity-key": identityKey[0] };
  const given = Object.entries(flags).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (given.length === 0) return;
  const [are, them] = given.length === 1 ? ["is", "it"] : ["are", "them"];
  throw new LonghaulError("OPTION_INVALID", `${given.join(", ")} ${are} of a team on a cluster, and no database is named: this one is in its data directory. Give --store postgres://user@host/database, set LONGHAUL_STORE, or leave ${them} out.`);
}

const webForms = { restateIngress: ["--restate-ingress", clusterDefaults.restateIngress], restateAdmin: ["--restate-admin", clusterDefaults.restateAdmin], advertise: ["--advertise", "http://workers:9080"] } as const;

/** Of flags that are given. @throws {OPTION_INVALID} for one that is no address of HTTP. */
export function assertWebAddresses(flags: Partial<Pick<ClusterFlags, keyof typeof webForms>>): void {
  for (const [key, [name, form]] of Object.entries(webForms)) {
    const text = flags[key as keyof typeof webForms];
    if (text === undefined || isWebAddress(text)) continue;
    throw new LonghaulError("OPTION_INVALID", `${name} is ${text}, not http://host:port. Use, for instance, ${form}.`);
  }
}

function parseListen(text: string): ClusterPlace["listen"] {
  const [, host, port] = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || Number(port) > 65_535) throw new LonghaulError("OPTION_INVALID", `--listen is ${text}, not host:port. Use, for instance, 127.0.0.1:9080.`);
  return { host, port: Number(port) };
}
