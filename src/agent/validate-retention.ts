import { checkOptionNames, optionNames } from "./option-names.ts";
import type { Report } from "./problem.ts";
import { checkDuration, checkFields } from "./value-checks.ts";

/** Retention looks once an hour; below that, a task that a caller still asks for would be gone. */
const range = { minMs: 3_600_000, maxMs: 3_650 * 86_400_000, text: 'Use a time from 1h to 3650d, such as "7d".' };

/** Reports what is wrong with the team's `retention`. */
export function validateRetention(report: Report, value: unknown): void {
  if (value === undefined) return;
  const fields = checkFields(report, "retention", value, 'Use an object such as { journals: "7d", records: "30d" }.');
  if (fields === null) return;
  checkOptionNames(report, "retention.", fields, optionNames.retention);
  const found = Object.fromEntries(Object.keys(optionNames.retention).map((option) => [option, checkDuration(report, `retention.${option}`, fields[option], range)]));
  for (const [shorter, longer] of [["journals", "deadLetters"], ["records", "rollups"]] as const) {
    const [shorterMs, longerMs] = [found[shorter] ?? null, found[longer] ?? null];
    if (shorterMs !== null && longerMs !== null && longerMs < shorterMs) report(`retention.${longer}`, fields[longer], `It is shorter than retention.${shorter}; use at least that.`);
  }
}
