import { expect, test } from "vitest";
import { allCases } from "./all-cases.ts";
import { type FailureCase, isOn, nameOf } from "./case.ts";
import { testFailures } from "./table.testsuite.ts";

/** One or two of each layer: `npm run failures -- --engine restate` runs them all. The embedded engine has them in table.test.ts and mcp.test.ts. */
const names = [
  "model/429, Anthropic's reset instants",
  "model/500 to all attempts after the delivery",
  "stream/12 s before each event",
  "answer/an invented fact, once",
  "answer/a delivery that is claimed and was not made",
  "tool/a delivery throws after it is made",
  "tool/a delivery hangs after it is made, without reconcile",
  "mcp/a delivery answers with an error after it is made",
  "mcp/the team's process dies after a delivery",
  "process/dies after the delivery, before its commit",
  "process/dies before the commit of a model's answer",
  "process/is stopped in the middle of a model call",
  "clock/an hour back in a delivery",
  "budget/two turns for a work of three",
  "human/gives the delivery up, which did not happen",
  "human/gives the same order twice",
  "approval/the process dies after the permission, before the delivery",
  "chain/the first is down",
  "limiter/twelve calls a minute",
  "compensation/the process dies in the undoing, after the slot is free",
  "callee/a person closes it at once",
  "cluster/PostgreSQL is not reached after a delivery, and the process dies",
  "cluster/the answer to the commit of a delivery is lost",
  "cluster/Restate is killed after a delivery, before its commit",
];

const selection = names.map((name) => allCases.find((failure) => nameOf(failure) === name)).filter((failure): failure is FailureCase => failure !== undefined);

testFailures("restate", selection);

test("the selection is of cases that there are, and of every layer that a cluster has", () => {
  const layersOf = (cases: readonly FailureCase[]): readonly string[] => [...new Set(cases.map(({ layer }) => layer))];

  expect(selection.map(nameOf)).toEqual(names);
  expect(layersOf(selection)).toEqual(layersOf(allCases.filter((failure) => isOn("restate", failure))));
});
