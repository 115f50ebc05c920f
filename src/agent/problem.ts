import { describeValue } from "../base/describe-value.ts";

/** One thing that is wrong with a team's definitions. */
export interface Problem {
  /** "agent research", "endpoint ollama", "team". */
  readonly where: string;
  /** "budget.perDay". */
  readonly field: string;
  /** The value as short text; secrets are never shown. */
  readonly value: string;
  /** What to write instead. */
  readonly remedy: string;
}

/** Notes a problem of the definition that is being checked. */
export type Report = (field: string, value: unknown, remedy: string) => void;

/** The report for one definition, adding to `problems`. */
export function reportTo(problems: Problem[], where: string): Report {
  return (field, value, remedy) => void problems.push({ where, field, value: describeValue(value), remedy });
}

/** "agent research: budget.perDay is 5. Use an amount such as usd(5)." */
export function describeProblem({ where, field, value, remedy }: Problem): string {
  return `${where}: ${field} is ${value}. ${remedy}`;
}
