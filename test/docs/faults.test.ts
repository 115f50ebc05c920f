import { expect, test } from "vitest";
import { faultNamed, faultNames } from "longhaul/simulator";
import { readText, sectionOf, tableRows } from "./markdown.ts";

test("docs/guide/testing.md names every fault of the simulator and no other", () => {
  const names = tableRows(sectionOf(readText("docs/guide/testing.md"), "## Faults of the simulator")).flatMap(([cell = ""]) => [...cell.matchAll(/`([a-z0-9-]+)`/g)].map(([, name = ""]) => name));
  const named = names.filter((name) => Number.isNaN(Number(name)));

  expect(named.toSorted((a, b) => a.localeCompare(b))).toEqual(faultNames.toSorted((a, b) => a.localeCompare(b)));
  expect(names.map(faultNamed)).not.toContain(undefined);
});
