import { expect, it } from "vitest";
import { assertCallersKnown, type ClusterPlace, describeStore } from "./cluster-place.ts";

const place = (identityKeys: readonly string[], host = "0.0.0.0"): ClusterPlace => ({ store: "postgres://db/team", restate: { ingress: "http://r:8080", admin: "http://r:9070" }, listen: { host, port: 9080 }, identityKeys });

it("lets callers be told by keys that Restate's SDK takes, and by no others", () => {
  for (const key of ["publickeyv1_w7YHemBctH5Ck2nQRQ47iBBqhNHy4FV7t2Usbye2A6f", `publickeyv1_${"1".repeat(32)}`]) expect(() => assertCallersKnown(place([key]))).not.toThrow();
  for (const key of ["foo", "publickeyv1_", "publickeyv1_x", `publickeyv1_${"1".repeat(31)}`, "publickeyv1_w7YHemBctH5Ck2nQRQ47iBBqhNHy4FV7t2Usbye2A6", "publickeyv1_07YHemBctH5Ck2nQRQ47iBBqhNHy4FV7t2Usbye2A6f"]) {
    expect(() => assertCallersKnown(place([key], "127.0.0.1"))).toThrow(expect.objectContaining({ code: "OPTION_INVALID", message: expect.stringContaining(`The identity key ${key} `) as string }));
  }
  expect(() => assertCallersKnown(place([]))).toThrow("listen is 0.0.0.0:9080");
});

it("tells where a database is without its password", () => {
  expect(describeStore(place([]))).toBe("PostgreSQL at db:5432/team");
});
