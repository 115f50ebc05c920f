import { type Comparison, downtimeRatio } from "./ablation.ts";
import { type SideMeasures, sum } from "./measure.ts";

export type Lines = readonly (readonly string[])[];

interface Measure {
  readonly name: string;
  readonly of: (side: SideMeasures) => number;
  readonly show: (value: number) => string;
}

const minutes = (ms: number): string => (ms / 60_000).toFixed(1);
const whole = (value: number): string => String(Math.round(value));
const dollars = (microUsd: number): string => (microUsd / 1_000_000).toFixed(2);
const milliDollars = (microUsd: number): string => (microUsd / 1_000_000).toFixed(5);

const measures: readonly Measure[] = [
  { name: "downtime while the provider would have answered, min", of: ({ team }) => team.avoidableMs, show: minutes },
  { name: "downtime in all, min", of: ({ team }) => team.wholeMs, show: minutes },
  { name: "the first, with stretches from 1 min on", of: ({ strictTeam }) => strictTeam.avoidableMs, show: minutes },
  { name: "agents' downtime while the provider would have answered, agent-min", of: ({ agents }) => agents.avoidableMs, show: minutes },
  { name: "lost tasks", of: ({ lost }) => lost.length, show: whole },
  { name: "duplicated effects", of: ({ duplicated }) => duplicated, show: whole },
  { name: "wrong results accepted", of: ({ wrong }) => wrong, show: whole },
  { name: "tasks accomplished", of: ({ accomplished }) => accomplished, show: whole },
  { name: "dollars", of: ({ microUsd }) => microUsd, show: dollars },
  { name: "dollars for a task accomplished", of: ({ microUsd, accomplished }) => microUsd / accomplished, show: milliDollars },
  { name: "calls of the provider", of: ({ calls }) => calls, show: whole },
  { name: "of these, while it could not answer", of: ({ callsWhileDown }) => callsWhileDown, show: whole },
  { name: "times that a person had to help", of: ({ interventions }) => interventions.length, show: whole },
];

const windowKinds = ["outage", "storm", "silence", "keep-alive"] as const;

/** Both sides, side by side: the median of the seeds, and the least and the most of one. */
export function summaryLines(comparisons: readonly Comparison[]): Lines {
  const rows = measures.map(({ name, of, show }) => [name, spread(comparisons.map(({ naive }) => of(naive)), show), spread(comparisons.map(({ longhaul }) => of(longhaul)), show)]);
  const back = windowKinds.map((kind) => [`time back after: ${kind}, s`, backOf(comparisons.map(({ naive }) => naive), kind), backOf(comparisons.map(({ longhaul }) => longhaul), kind)]);
  return [["median (least to most) of the seeds", "AI SDK loop", "Longhaul"], ...rows, ...back.filter(([, naive]) => naive !== "")];
}

/** One line for each seed. */
export function seedLines(comparisons: readonly Comparison[]): Lines {
  const pair = (comparison: Comparison, of: (side: SideMeasures) => number, show: (value: number) => string): string => `${show(of(comparison.naive))} / ${show(of(comparison.longhaul))}`;
  return [
    ["seed", "downtime, min", "ratio", "lost", "duplicated", "wrong", "dollars", "calls while down", "deaths"],
    ...comparisons.map((comparison) => [
      String(comparison.seed),
      pair(comparison, ({ team }) => team.avoidableMs, minutes),
      ratioText([comparison]),
      pair(comparison, ({ lost }) => lost.length, whole),
      pair(comparison, ({ duplicated }) => duplicated, whole),
      pair(comparison, ({ wrong }) => wrong, whole),
      pair(comparison, ({ microUsd }) => microUsd, dollars),
      pair(comparison, ({ callsWhileDown }) => callsWhileDown, whole),
      pair(comparison, ({ deaths }) => deaths, whole),
    ]),
  ];
}

/** What one family of faults does by itself. */
export function familyLines(families: readonly { readonly family: string; readonly comparisons: readonly Comparison[] }[]): Lines {
  const pair = (comparisons: readonly Comparison[], of: (side: SideMeasures) => number, show: (value: number) => string): string =>
    `${show(sum(comparisons.map(({ naive }) => of(naive))))} / ${show(sum(comparisons.map(({ longhaul }) => of(longhaul))))}`;
  return [
    ["faults of one family alone", "downtime, min", "lost", "duplicated", "wrong", "dollars", "calls while down"],
    ...families.map(({ family, comparisons }) => [
      family,
      pair(comparisons, ({ team }) => team.avoidableMs, minutes),
      pair(comparisons, ({ lost }) => lost.length, whole),
      pair(comparisons, ({ duplicated }) => duplicated, whole),
      pair(comparisons, ({ wrong }) => wrong, whole),
      pair(comparisons, ({ microUsd }) => microUsd, dollars),
      pair(comparisons, ({ callsWhileDown }) => callsWhileDown, whole),
    ]),
  ];
}

export function ratioText(comparisons: readonly Comparison[]): string {
  const ratio = downtimeRatio(comparisons);
  return Number.isFinite(ratio) ? ratio.toFixed(1) : Number.isNaN(ratio) ? "none of either" : "Longhaul none";
}

export function toMarkdown([head = [], ...rows]: Lines): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

export function toText(lines: Lines): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines.map((line) => line.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join("  ")).join("\n");
}

function spread(values: readonly number[], show: (value: number) => string): string {
  return values.length === 0 ? "" : `${show(median(values))} (${show(Math.min(...values))} to ${show(Math.max(...values))})`;
}

function backOf(sides: readonly SideMeasures[], kind: string): string {
  const all = sides.flatMap(({ back }) => back.filter((one) => one.kind === kind));
  const never = all.filter(({ ms }) => ms === null).length;
  const text = spread(all.flatMap(({ ms }) => ms ?? []).map((ms) => ms / 1_000), whole);
  return never > 0 ? `${text}, never: ${never}` : text;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? (sorted[Math.floor(middle)] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}
