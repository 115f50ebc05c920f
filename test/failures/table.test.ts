import { expect, test } from "vitest";
import { readText } from "../docs/markdown.ts";
import { allCases } from "./all-cases.ts";
import { isOn, nameOf } from "./case.ts";
import { clusterHeading } from "./cluster-page.ts";
import { testFailures } from "./table.testsuite.ts";

testFailures("embedded", allCases.filter((failure) => failure.layer !== "mcp" && isOn("embedded", failure)));

test("there are at least 60 faults, each under a name of its own", () => {
  const names = allCases.map(nameOf);

  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThanOrEqual(60);
});

test("docs/measurements/failure.md has a line for each fault of the embedded engine and no other, and names each of the cluster alone", () => {
  const [main = "", cluster = ""] = readText("docs/measurements/failure.md").split(clusterHeading);

  expect(linesOf(main)).toEqual(allCases.filter((failure) => isOn("embedded", failure)).map(nameOf));
  const own = allCases.filter(({ only }) => only?.engine === "restate");
  expect(linesOf(cluster.replace("### Faults", "## cluster\n### Faults")).slice(0, own.length)).toEqual(own.map(nameOf));
  for (const failure of allCases.filter((each) => !isOn("restate", each))) expect(cluster).toContain(nameOf(failure));
});

function linesOf(text: string): readonly string[] {
  const listed: string[] = [];
  let layer = "";
  for (const line of text.split("\n")) {
    layer = /^## (\w+)$/.exec(line)?.[1] ?? layer;
    const fault = /^\| ([^|]+?) \|/.exec(line)?.[1];
    if (layer !== "" && fault !== undefined && fault !== "fault" && fault !== "---") listed.push(`${layer}/${fault}`);
  }
  return listed;
}
