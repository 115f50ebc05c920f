import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readText } from "../docs/markdown.ts";
import { temporaryDirectory } from "../fixture/disk-team.ts";
import { allCases } from "./all-cases.ts";
import { nameOf } from "./case.ts";
import { runCase } from "./run-case.ts";

let directory: ReturnType<typeof temporaryDirectory>;
beforeAll(() => {
  directory = temporaryDirectory();
});
afterAll(() => directory.remove());

test.each(allCases.map((failure, index) => [nameOf(failure), failure, index] as const))("%s", async (name, failure, index) => {
  const folder = join(directory.path, String(index));
  mkdirSync(folder);

  const { violations, surprises } = await runCase(failure, { folder, seed: 1 });

  expect({ violations, surprises }, `again: npm run failures -- --only ${JSON.stringify(name)}`).toEqual({ violations: [], surprises: [] });
});

test("there are at least 60 faults, each under a name of its own", () => {
  const names = allCases.map(nameOf);

  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThanOrEqual(60);
});

test("docs/measurements/failure.md has a line for each fault and no other", () => {
  const lines = readText("docs/measurements/failure.md").split("\n");
  const listed: string[] = [];
  let layer = "";
  for (const line of lines) {
    layer = /^## (\w+)$/.exec(line)?.[1] ?? layer;
    const fault = /^\| ([^|]+?) \|/.exec(line)?.[1];
    if (fault !== undefined && fault !== "fault" && fault !== "---") listed.push(`${layer}/${fault}`);
  }

  expect(listed).toEqual(allCases.map(nameOf));
});
