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

const valueLengthMax = 80;

/** The report for one definition, adding to `problems`. */
export function reportTo(problems: Problem[], where: string): Report {
  return (field, value, remedy) => void problems.push({ where, field, value: describeValue(value), remedy });
}

/** "agent research: budget.perDay is 5. Use an amount such as usd(5)." */
export function describeProblem({ where, field, value, remedy }: Problem): string {
  return `${where}: ${field} is ${value}. ${remedy}`;
}

/** A value as short JSON, or what it is when it has no JSON. */
export function describeValue(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "function") return "a function";
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "symbol") return String(value);
  const text = jsonOf(value);
  return text.length <= valueLengthMax ? text : `${text.slice(0, valueLengthMax)}…`;
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    // A cycle has no JSON; that it is an object is all that can be said.
    return "an object with a cycle";
  }
}
