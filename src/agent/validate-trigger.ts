import { messageOf } from "../base/error.ts";
import { isSchema, type Schema } from "../base/schema.ts";
import { parseCron } from "./cron-pattern.ts";
import { checkOptionNames, optionNames } from "./option-names.ts";
import type { Report } from "./problem.ts";
import { checkBoolean, checkDuration, checkEventName, checkFields, checkFunction, checkSchema, checkText, type Fields } from "./value-checks.ts";

const kinds = ["every", "cron", "on", "poll"] as const;
const intervalRange = { minMs: 1000, maxMs: 366 * 86_400_000, text: "Use an interval from 1s to 366d." };
/** Any instant: whether a pattern ever matches does not depend on it. */
const referenceAtMs = Date.UTC(2026, 0, 1);

/** Reports what is wrong with one entry of `triggers`. `input` is the schema of the agent's input, if it has one. */
export function validateTrigger(report: Report, field: string, value: unknown, input: unknown): void {
  const trigger = checkFields(report, field, value, 'Make it with every("15m"), cron("0 9 * * *"), on("event") or poll("5m", …).');
  if (trigger === null) return;
  const kind = kinds.find((known) => known === trigger["kind"]);
  if (kind === undefined) {
    report(field, trigger["kind"] ?? value, "Make it with every, cron, on or poll; other kinds are not built yet in this version.");
    return;
  }
  const inside: Report = (part, given, remedy) => report(`${field}.${part}`, given, remedy);
  checkOptionNames(report, `${field}.`, trigger, optionNames[kind]);
  checkers[kind](inside, trigger);
  if ((kind === "every" || kind === "cron") && trigger["input"] === undefined && isSchema(input) && refusesNothing(input)) {
    inside("input", undefined, "The agent's input schema refuses a task without input; give the trigger a function `input` that makes it.");
  }
}

const checkers: Readonly<Record<(typeof kinds)[number], (report: Report, trigger: Fields) => void>> = {
  every: (report, trigger) => {
    checkInterval(report, trigger["every"]);
    checkBoolean(report, "atStart", trigger["atStart"]);
    checkFunction(report, "if", trigger["if"]);
    checkFunction(report, "input", trigger["input"]);
  },
  cron: (report, trigger) => {
    checkPattern(report, trigger["pattern"], trigger["timezone"]);
    checkFunction(report, "if", trigger["if"]);
    checkFunction(report, "input", trigger["input"]);
  },
  on: (report, trigger) => {
    checkEventName(report, "event", trigger["event"]);
    if (trigger["schema"] !== null) checkSchema(report, "schema", trigger["schema"]);
    if (trigger["input"] !== null) checkFunction(report, "input", trigger["input"]);
  },
  poll: (report, trigger) => {
    checkInterval(report, trigger["every"]);
    for (const name of ["poll", "key", "input"]) {
      if (typeof trigger[name] !== "function") report(name, trigger[name], "Use a function.");
    }
  },
};

function checkInterval(report: Report, value: unknown): void {
  if (value === undefined) report("every", value, intervalRange.text);
  else checkDuration(report, "every", value, intervalRange);
}

function checkPattern(report: Report, pattern: unknown, timezone: unknown): void {
  if (typeof pattern !== "string") {
    report("pattern", pattern, 'Use a pattern such as "0 9 * * *".');
    return;
  }
  if (timezone !== null && typeof timezone !== "string") {
    checkText(report, "timezone", timezone);
    return;
  }
  try {
    const cron = parseCron(pattern, timezone);
    if (cron.nextRun(new Date(referenceAtMs)) === null) report("pattern", pattern, "No day of the calendar matches it; it would never fire.");
  } catch (error) {
    report(timezone !== null && isPattern(pattern) ? "timezone" : "pattern", timezone !== null && isPattern(pattern) ? timezone : pattern, messageOf(error));
  }
}

function isPattern(pattern: string): boolean {
  try {
    parseCron(pattern, null);
    return true;
  } catch {
    // The caller reports the error of the pattern in its own time zone.
    return false;
  }
}

/** True when the schema certainly refuses a task without input. One that answers later gets the benefit of the doubt. */
function refusesNothing(schema: Schema): boolean {
  return [undefined, null].every((nothing) => {
    const result = schema["~standard"].validate(nothing);
    return !(result instanceof Promise) && result.issues !== undefined;
  });
}
