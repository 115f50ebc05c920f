import { LonghaulError } from "../base/error.ts";
import { kindOfValue } from "../base/describe-value.ts";

const allowedStatements = ["SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH", "VALUES", "CREATE", "DROP", "ALTER"];

/** Quoted texts, quoted names and comments: nothing in them is a keyword. */
const quoted = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/g;

/**
 * Refuses SQL that could reach Longhaul's own tables, or end the transaction that it runs in together with the work of others; and parameters that a
 * database would take for something else: SQLite reads a first object as named parameters, and shifts the others.
 * @throws {TRANSACTION_SQL}
 */
export function checkUserSql(sql: string, parameters: readonly unknown[] = []): void {
  if (typeof sql !== "string") throw new LonghaulError("TRANSACTION_SQL", `A transaction's SQL is ${kindOfValue(sql)}. Use a text.`);
  // SQLite takes a quoted text for a name where a name is expected, so quotes protect nothing here.
  if (/(?<![a-z0-9_])lh_/i.test(sql)) refuse(sql, "it names something that begins with lh_, which is Longhaul's own. Pass such a text as a parameter");
  const bare = sql.replace(quoted, " ").trim().replace(/[;\s]+$/, "");
  const [first = ""] = /^[a-z]+/i.exec(bare) ?? [];
  if (!allowedStatements.includes(first.toUpperCase())) refuse(sql, `a statement may begin with ${allowedStatements.join(", ")}`);
  if (bare.includes(";") && !/^CREATE\s+(TEMP\s+|TEMPORARY\s+)?TRIGGER\b/i.test(bare)) refuse(sql, "it holds more than one statement. Make one call for each");
  if (/\bROLLBACK\b/i.test(bare)) refuse(sql, "it would roll back the work of others. Use ABORT, or throw in the function");
  for (const [index, parameter] of parameters.entries()) {
    if (parameter !== null && typeof parameter !== "string" && !Number.isFinite(parameter)) refuse(sql, `its parameter ${index + 1} is ${kindOfValue(parameter)}. ${remedyFor(parameter)}`);
  }
}

function remedyFor(parameter: unknown): string {
  if (typeof parameter === "boolean") return "Use 1 or 0";
  if (typeof parameter === "bigint") return "Use Number(…) or String(…) of it";
  if (parameter instanceof Date) return "Use its toISOString() or its getTime()";
  return "Use a text, a finite number or null";
}

/** The same statement with `$1, $2, …` for its question marks, as PostgreSQL has them. Those in quotes and comments stay. */
export function numberParameters(sql: string): string {
  let count = 0;
  let numbered = "";
  let at = 0;
  for (const match of sql.matchAll(quoted)) {
    numbered += sql.slice(at, match.index).replaceAll("?", () => `$${++count}`) + match[0];
    at = match.index + match[0].length;
  }
  return numbered + sql.slice(at).replaceAll("?", () => `$${++count}`);
}

function refuse(sql: string, reason: string): never {
  const head = sql.length > 200 ? `${sql.slice(0, 200)}…` : sql;
  throw new LonghaulError("TRANSACTION_SQL", `A transaction's SQL was refused (${head}): ${reason}.`);
}
