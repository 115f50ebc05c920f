import { expect, it } from "vitest";
import { completeLock, findLockGaps } from "./complete-lock.ts";

const packages = {
  "": { version: "0.1.0" },
  "node_modules/linter": { version: "1.2.3", dev: true, optionalDependencies: { "@linter/binding-linux-x64-gnu": "1.2.3", "@linter/binding-linux-arm64-musl": "1.2.3", "@linter/darwin-arm64": "1.2.3" } },
  "node_modules/@linter/binding-linux-x64-gnu": { version: "1.2.3" },
};

it("finds the platform packages that the lock leaves out", () => {
  expect(findLockGaps(packages).map(({ name }) => name)).toEqual(["@linter/binding-linux-arm64-musl", "@linter/darwin-arm64"]);
});

it("adds each for the platform that its name tells, and changes nothing else", () => {
  const completed = completeLock(packages);

  expect(findLockGaps(completed)).toEqual([]);
  expect(completed).toMatchObject(packages);
  expect(completed["node_modules/@linter/binding-linux-arm64-musl"]).toEqual({ version: "1.2.3", cpu: ["arm64"], libc: ["musl"], os: ["linux"], dev: true, optional: true });
  expect(completed["node_modules/@linter/darwin-arm64"]).toEqual({ version: "1.2.3", cpu: ["arm64"], os: ["darwin"], dev: true, optional: true });
});

it("refuses a name that tells no platform", () => {
  expect(() => completeLock({ "node_modules/a": { optionalDependencies: { "a-fast": "1.0.0" } } })).toThrow("by hand");
});
