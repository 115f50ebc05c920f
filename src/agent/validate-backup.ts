import { checkOptionNames, optionNames } from "./option-names.ts";
import type { Report } from "./problem.ts";
import { checkDuration, checkFields, checkInteger, checkText } from "./value-checks.ts";

const everyRange = { minMs: 60_000, maxMs: 604_800_000, text: "Use a time from 1m to 7d." };
const keepRange = { min: 1, max: 10_000 };

/** Reports what is wrong with the team's `backup`. */
export function validateBackup(report: Report, value: unknown): void {
  if (value === undefined) return;
  const backup = checkFields(report, "backup", value, 'Use an object such as { to: "/mnt/backups", every: "15m", keep: 96 }.');
  if (backup === null) return;
  checkOptionNames(report, "backup.", backup, optionNames.backup);
  checkText(report, "backup.to", backup["to"]);
  checkDuration(report, "backup.every", backup["every"], everyRange);
  checkInteger(report, "backup.keep", backup["keep"], keepRange);
}
