import type { Receipt } from "longhaul/simulator";
import { describe, expect, it } from "vitest";
import { countSections, findLostTasks, findPaidTwice, findUnwritten, type JournalState } from "./figures.ts";

const receipt = (idempotencyKey: string | null, atMs: number, outcome: Receipt["outcome"] = "completed"): Receipt => ({
  number: 1, atMs, path: "/v1/messages", wire: "anthropic-messages", model: "m", idempotencyKey, status: 200, inputTokens: 1, outputTokens: 1, fault: null, outcome,
});
const journal = (modelSteps: readonly string[], tasks: Readonly<Record<string, string>> = {}): JournalState => ({
  modelSteps: new Set(modelSteps),
  tasks: new Map(Object.entries(tasks).map(([id, status]) => [id, { agent: "analyst", status }])),
});

describe("findPaidTwice", () => {
  it("finds a step that was written down and is called again after the kill, once however often it is called", () => {
    expect(findPaidTwice(journal(["r1/model/t1/model/1"]), [receipt("r1/model/t1/model/1", 5), receipt("r1/model/t1/model/1", 20), receipt("r1/model/t1/model/1", 21, "aborted")], 10)).toEqual(["r1/model/t1/model/1"]);
  });

  it("passes over calls before the kill, calls of steps that were not written down, and requests without a key", () => {
    expect(findPaidTwice(journal(["a"]), [receipt("a", 5), receipt("b", 20), receipt(null, 20)], 10)).toEqual([]);
  });
});

it("findUnwritten finds what was answered in full and not written down", () => {
  expect(findUnwritten(journal(["a"]), [receipt("a", 5), receipt("b", 6), receipt("c", 7, "aborted"), receipt("d", 20)], 10)).toEqual(["b"]);
});

it("findLostTasks finds tasks that are gone or did not come to a good end", () => {
  expect(findLostTasks(journal([], { a: "running", b: "queued", c: "done" }), journal([], { a: "done", b: "dead" }))).toEqual(["analyst b", "analyst c"]);
});

it("countSections counts headings of exactly this release", () => {
  const releases = [{ package: "glob", version: "13.0.0" }, { package: "ws", version: "8.18.3" }];
  expect([...countSections(releases, ["## glob 13.0.0\n\n## glob 13.0.01\nglob 13.0.0\n", "## glob 13.0.0\n"])]).toEqual([["glob 13.0.0", 2], ["ws 8.18.3", 0]]);
});
