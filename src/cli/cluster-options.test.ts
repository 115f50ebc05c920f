import { expect, it } from "vitest";
import { toClusterPlace } from "./cluster-options.ts";

const flags = { restateIngress: "http://127.0.0.1:8080", restateAdmin: "http://127.0.0.1:9070", listen: "127.0.0.1:9080", identityKey: [] };
const store = "postgres://me:secret@db/team";

it("is in the data directory without a database, or when that is asked for", () => {
  expect(toClusterPlace(null, flags)).toBeNull();
  expect(toClusterPlace(store, { ...flags, engine: "embedded" })).toBeNull();
});

it("is on a cluster with a database", () => {
  expect(toClusterPlace(store, { ...flags, listen: "[::1]:9081", advertise: "http://workers:9080" })).toEqual({
    store, restate: { ingress: "http://127.0.0.1:8080", admin: "http://127.0.0.1:9070" }, listen: { host: "::1", port: 9081 }, uri: "http://workers:9080", identityKeys: [],
  });
});

it("refuses a cluster without a database and repeats no password", () => {
  expect(() => toClusterPlace(null, { ...flags, engine: "restate" })).toThrow("--store");
  expect(() => toClusterPlace("mysql://me:secret@db", flags)).toThrow(/^(?!.*secret).*--store/);
});

it("refuses an address to listen on that is none", () => {
  expect(() => toClusterPlace(store, { ...flags, listen: "9080" })).toThrow("--listen is 9080");
});
