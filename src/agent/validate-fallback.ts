import type { Problem, Report } from "./problem.ts";
import { reportTo } from "./problem.ts";
import { resultFallbacksMax } from "./result-fallback.ts";
import { checkDuration, checkList, type Fields } from "./value-checks.ts";

const withinRange = { minMs: 1000, maxMs: 365 * 86_400_000, text: "Use a time from 1s to 365d." };
const remedy = 'Use cached({ within: "24h" }), an agent or a flow of the team, or a function: (input, dead) => output.';

/** Reports what is wrong with the things that may stand in for an agent's output. */
export function checkFallback(report: Report, own: unknown, value: unknown): void {
  if (value === undefined) return;
  const list = checkList(report, "fallback", value);
  if (Array.isArray(value) && (value.length === 0 || value.length > resultFallbacksMax)) report("fallback", value, `Name from 1 to ${resultFallbacksMax}, or leave it out.`);
  for (const [index, entry] of list.entries()) {
    const field = `fallback[${index}]`;
    if (typeof entry === "function") continue;
    const { kind, name, within } = (typeof entry === "object" && entry !== null ? entry : {}) as Fields;
    if (kind === "cached") {
      if (within === undefined) report(`${field}.within`, within, withinRange.text);
      checkDuration(report, `${field}.within`, within, withinRange);
    } else if (kind !== "agent" && kind !== "flow") report(field, entry, remedy);
    else if (name === own) report(field, name, "An agent cannot stand in for itself; name another.");
  }
}

/** Reports agents that stand in for others and are not in the team. */
export function checkFallbackNames(problems: Problem[], workers: readonly { readonly where: string; readonly spec: Fields }[], names: ReadonlySet<string>): void {
  for (const { where, spec } of workers) {
    for (const [index, entry] of checkList(() => undefined, "fallback", spec["fallback"]).entries()) {
      const { kind, name } = (typeof entry === "object" && entry !== null ? entry : {}) as Fields;
      if ((kind !== "agent" && kind !== "flow") || (typeof name === "string" && names.has(name))) continue;
      reportTo(problems, where)(`fallback[${index}]`, name, "It is not in the team; add it to its agents or flows.");
    }
  }
}
