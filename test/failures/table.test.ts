import { expect, test } from "vitest";
import { readText } from "../docs/markdown.ts";
import { allCases } from "./all-cases.ts";
import { nameOf } from "./case.ts";
import { testFailures } from "./table.testsuite.ts";

testFailures(allCases.filter(({ layer }) => layer !== "mcp"));

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
