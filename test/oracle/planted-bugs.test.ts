import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { engineBugs } from "./engine-bugs.ts";
import { failureBugs } from "./failure-bugs.ts";

const root = join(import.meta.dirname, "../..");
const bugs = [...engineBugs, ...failureBugs];

test("there are at least twenty bugs to plant, each by a name of its own", () => {
  expect(engineBugs.length).toBeGreaterThanOrEqual(20);
  expect(new Set(bugs.map(({ name }) => name)).size).toBe(bugs.length);
});

test.each(bugs)("the place of the bug '$name' stands in its file once, and the tests that are to catch it exist", ({ file, find, replace, suites }) => {
  expect(readFileSync(join(root, file), "utf8").split(find)).toHaveLength(2);
  expect(replace).not.toBe(find);
  expect(suites.length).toBeGreaterThan(0);
  expect(suites.filter((suite) => !existsSync(join(root, suite)))).toEqual([]);
});
