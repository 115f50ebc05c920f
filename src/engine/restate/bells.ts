import type { PostgresSession } from "../../db/postgres.ts";
import type { JournaledStep } from "../journaled-step.ts";
import type { Bell, Change } from "./change.ts";

/** An activation in memory is told of a completed step. The bell stays in its table until it was rung: a process that dies before leaves it to others. */
export async function noteBell(change: Change, awakeable: string, step: JournaledStep): Promise<void> {
  const text = JSON.stringify(step);
  const row = await change.db.get("INSERT INTO lh_bell (awakeable, step, at_ms) VALUES ($1, $2, $3) RETURNING position", awakeable, text, change.atMs);
  change.effects.bells.push({ position: Number(row?.["position"]), awakeable, step: text });
}

/** Bells that nobody has rung since this instant, behind this position. */
export async function listSilentBells(db: PostgresSession, beforeMs: number, afterPosition: number, limit: number): Promise<readonly Bell[]> {
  const rows = await db.all("SELECT position, awakeable, step FROM lh_bell WHERE at_ms < $1 AND position > $2 ORDER BY position LIMIT $3", beforeMs, afterPosition, limit);
  return rows.map((row) => ({ position: Number(row["position"]), awakeable: String(row["awakeable"]), step: String(row["step"]) }));
}

export async function removeBells(db: PostgresSession, positions: readonly number[]): Promise<void> {
  await db.run("DELETE FROM lh_bell WHERE position = ANY($1)", positions);
}
