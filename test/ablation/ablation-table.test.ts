import { expect, test } from "vitest";
import { ratioText, seedLines, summaryLines, toMarkdown, toText } from "./ablation-table.ts";
import { type Comparison, findViolations } from "./ablation.ts";
import type { SideMeasures } from "./measure.ts";
import { planOf } from "./plan.ts";

const minuteMs = 60_000;
const plan = planOf(1, { hours: 3, only: ["poison"] });

function side(avoidableMinutes: number, more: Partial<SideMeasures> = {}): SideMeasures {
  const downtime = { wholeMs: avoidableMinutes * minuteMs, avoidableMs: avoidableMinutes * minuteMs };
  return {
    tasks: plan.tasks.length, accomplished: plan.tasks.length - 1, team: downtime, strictTeam: downtime, agents: downtime,
    lost: [], duplicated: 0, wrong: 0, unfinished: {}, microUsd: 1_500_000, calls: 10, callsWhileDown: 3, back: [], deaths: 0, interventions: [], ...more,
  };
}

function comparison(seed: number, naive: SideMeasures, longhaul: SideMeasures): Comparison {
  return { seed, plan, naive, longhaul };
}

test("the ratio is of the downtime of all seeds together, and a seed without any says so", () => {
  const both = [comparison(1, side(30), side(1)), comparison(2, side(10), side(3))];

  expect(ratioText(both)).toBe("10.0");
  expect(ratioText([comparison(1, side(30), side(0))])).toBe("Longhaul none");
  expect(ratioText([comparison(1, side(0), side(0))])).toBe("none of either");
  expect(seedLines(both)[2]).toEqual(["2", "10.0 / 3.0", "3.3", "0 / 0", "0 / 0", "0 / 0", "1.50 / 1.50", "3 / 3", "0 / 0"]);
});

test("the summary has the median, the least and the most, and windows after which nothing came back", () => {
  const back = [{ kind: "outage", ms: 4_000 }, { kind: "outage", ms: null }] as const;

  const lines = summaryLines([comparison(1, side(30), side(1)), comparison(2, side(10), side(3)), comparison(3, side(50, { back }), side(2))]);

  expect(lines[1]).toEqual(["downtime while the provider would have answered, min", "30.0 (10.0 to 50.0)", "2.0 (1.0 to 3.0)"]);
  expect(lines.at(-1)).toEqual(["time back after: outage, s", "4 (4 to 4), never: 1", ""]);
  expect(toMarkdown(lines).split("\n")[1]).toBe("| --- | --- | --- |");
  expect(new Set(toText(lines).split("\n").map((line) => line.length)).size).toBe(1);
});

test("what Longhaul loses, doubles, takes for right or leaves undone is named; the task that kills its process may be left", () => {
  const of = (more: Partial<SideMeasures>): readonly string[] => findViolations([comparison(7, side(0), side(0, more))]);

  expect(of({})).toEqual([]);
  expect(of({ lost: ["task-3"] })).toEqual(["seed 7: Longhaul lost task-3"]);
  expect(of({ duplicated: 2 })).toEqual(["seed 7: Longhaul delivered 2 times more than once"]);
  expect(of({ wrong: 1 })).toEqual(["seed 7: Longhaul accepted 1 wrong results"]);
  expect(of({ accomplished: plan.tasks.length - 2, unfinished: { "dead: failed": 2 } })).toMatchObject([expect.stringContaining('{"dead: failed":2}')]);
});
