import { expect, it } from "vitest";
import { type ClusterFlags, refuseClusterFlags, toClusterPlace, toClusterWords } from "./cluster-options.ts";

const store = "postgres://me:secret@db/team";
const place = (given: string | null, flags: Partial<ClusterFlags> = {}, environment?: string) => toClusterPlace({ store: given, environment: () => environment }, { identityKey: [], ...flags });

it("is in the data directory without a database", () => {
  expect(place(null)).toBeNull();
  expect(place(null, { engine: "embedded" })).toBeNull();
});

it("is on a cluster with a database", () => {
  expect(place(store)).toEqual({ store, restate: { ingress: "http://127.0.0.1:8080", admin: "http://127.0.0.1:9070" }, listen: { host: "127.0.0.1", port: 9080 }, identityKeys: [] });
  expect(place(store, { restateAdmin: "http://r:9070", listen: "[::1]:9081", advertise: "http://workers:9080" })).toEqual({
    store, restate: { ingress: "http://127.0.0.1:8080", admin: "http://r:9070" }, listen: { host: "::1", port: 9081 }, uri: "http://workers:9080", identityKeys: [],
  });
});

it("refuses a cluster without a database and repeats no password", () => {
  expect(() => place(null, { engine: "restate" })).toThrow("needs a database: give --store");
  expect(() => place("mysql://me:secret@db")).toThrow(/^(?!.*secret)--store is not an address of PostgreSQL/);
  expect(() => place("mysql://me:secret@db", {}, "mysql://me:secret@db")).toThrow(/^LONGHAUL_STORE is not an address of PostgreSQL/);
});

it("drops no flag in silence: another team than the one that is meant would run", () => {
  expect(() => place(store, { engine: "embedded" })).toThrow(/^(?!.*secret)--store names a database.*Leave out --store, or/);
  expect(() => place(store, { engine: "embedded" }, store)).toThrow(/^(?!.*secret)LONGHAUL_STORE names a database.*Unset LONGHAUL_STORE, or/);
  expect(() => refuseClusterFlags({ restateAdmin: "http://r", restateIngress: "http://i" })).toThrow("--restate-ingress, --restate-admin are of a team on a cluster");
  expect(() => refuseClusterFlags({})).not.toThrow();
  for (const [flags, name] of [[{ restateIngress: "http://127.0.0.1:8080" }, "--restate-ingress"], [{ restateAdmin: "http://r" }, "--restate-admin"], [{ listen: "127.0.0.1:9080" }, "--listen"], [{ advertise: "http://w" }, "--advertise"], [{ identityKey: ["publickeyv1_x"] }, "--identity-key"]] as const) {
    expect(() => place(null, flags)).toThrow(`${name} is of a team on a cluster`);
    expect(() => place(null, { ...flags, engine: "embedded" })).toThrow(name);
  }
});

it("refuses an address to listen on that is none", () => {
  expect(() => place(store, { listen: "9080" })).toThrow("--listen is 9080");
});

it.each([
  ["--advertise", { advertise: "workers:9080" }, "workers:9080"],
  ["--restate-ingress", { restateIngress: "127.0.0.1:42080" }, "127.0.0.1:42080"],
  ["--restate-admin", { restateAdmin: "ftp://r:9070" }, "ftp://r:9070"],
])("refuses an address of %s without http, and names it and the form", (name, flags, value) => {
  expect(() => place(store, flags)).toThrow(new RegExp(`^${name} is ${value}, .*http://`));
  expect(() => place(store, { [Object.keys(flags)[0] as string]: `https://${value.replace("ftp://", "")}/a/path` })).not.toThrow();
});

it("writes a place as the options that lead there, without the database's password", () => {
  const given = place(store, { restateIngress: "http://i:1", restateAdmin: "http://a:2", listen: "[::]:9081", advertise: "http://w:9080", identityKey: ["publickeyv1_a", "publickeyv1_b"] });

  expect(given && toClusterWords(given)).toEqual([
    "--engine", "restate", "--restate-ingress", "http://i:1", "--restate-admin", "http://a:2", "--listen", "[::]:9081", "--advertise", "http://w:9080", "--identity-key", "publickeyv1_a", "--identity-key", "publickeyv1_b",
  ]);
});
