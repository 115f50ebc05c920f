import { formatDuration } from "../../src/base/duration.ts";
import { formatUsd } from "../../src/base/money.ts";
import type { FailureRow } from "./run-case.ts";

const head = ["fault", "seed", "what the run did", "over after", "model calls", "money", "outcome", "deliveries"];

/** Broken promises, by kind. */
export function countBroken(rows: readonly FailureRow[]): { readonly lost: number; readonly doubled: number; readonly wrong: number; readonly uncounted: number } {
  const broken = rows.flatMap(({ violations }) => violations);
  const count = (word: string): number => broken.filter((violation) => violation.startsWith(word)).length;
  return { lost: count("lost"), doubled: broken.filter((violation) => /delivered \d+ times/.test(violation)).length, wrong: count("wrong"), uncounted: count("uncounted") };
}

export function renderTable(rows: readonly FailureRow[]): readonly string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, column) => (column === 0 || column === 2 ? "---" : "--:"))), ...rows.map((row) => line(cellsOf(row)))];
}

export function cellsOf({ fault, seed, did, backMs, calls, spentMicroUsd, end, deliveries, violations, surprises }: FailureRow): readonly string[] {
  const wrong = [...violations, ...surprises];
  return [fault, String(seed), [...did, ...wrong.map((what) => `**${what}**`)].join(", ") || "nothing", formatDuration(backMs), String(calls), formatUsd(spentMicroUsd), end, String(deliveries)].map((cell) => cell.replaceAll("|", "\\|"));
}
