import type { DatabaseSync } from "node:sqlite";

/** Damaged places that are named. */
const faultsMax = 5;

/** What a check of a file found; null: nothing is wrong. */
export function findDamage(connection: Pick<DatabaseSync, "prepare">, check: "quick_check" | "integrity_check"): string | null {
  const found = connection.prepare(`PRAGMA ${check}(${faultsMax})`).all().map((row) => String(Object.values(row)[0]));
  return found.length === 1 && found[0] === "ok" ? null : found.join("; ");
}
