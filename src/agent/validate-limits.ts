import { checkOptionNames, optionNames } from "./option-names.ts";
import type { Report } from "./problem.ts";
import { checkFields, checkInteger, concurrencyRange } from "./value-checks.ts";

const ranges = {
  requestsPerMinute: { min: 1, max: 1_000_000 },
  tokensPerMinute: { min: 1, max: 1_000_000_000 },
  concurrency: concurrencyRange,
} as const;

/** Reports what is wrong with the team's `limits`. */
export function validateLimits(report: Report, value: unknown, providers: readonly string[]): void {
  if (value === undefined) return;
  const limits = checkFields(report, "limits", value, 'Use an object such as { openai: { requestsPerMinute: 500 } }.');
  for (const [name, given] of Object.entries(limits ?? {})) {
    const field = `limits.${name}`;
    const provider = name.split("/")[0] ?? name;
    if (!providers.includes(provider)) report(field, "(given)", `The team reaches no provider "${provider}". Known: ${providers.join(", ")}. Name one, or one of its models ("${providers[0] ?? "openai"}/…").`);
    const fields = checkFields(report, field, given, "Use an object such as { requestsPerMinute: 500, tokensPerMinute: 200_000, concurrency: 20 }.");
    if (fields === null) continue;
    checkOptionNames(report, `${field}.`, fields, optionNames.accountLimits);
    for (const [option, range] of Object.entries(ranges)) checkInteger(report, `${field}.${option}`, fields[option], range);
  }
}
