import { notify } from "../../db/postgres-notify.ts";
import type { PostgresSession } from "../../db/postgres.ts";
import type { Effects } from "./change.ts";

export const endedTopic = "ended";
export const dueTopic = "due";
export const workTopic = "work";
/** In place of an id that is too long for a notice: look at everything. */
export const any = "*";
const idLengthMax = 512;
/** What falls due later is found by the sweep of whoever has the duty. */
const soonMs = 5_000;

/** Tells other processes, with the commit, of what they may be waiting for: tasks that ended, and what falls due before anybody would look. */
export async function tellOthers(tx: PostgresSession, { ended, dueAtMs }: Effects, nowMs: number): Promise<void> {
  await notify(tx, endedTopic, ended.map(({ id }) => (id.length > idLengthMax ? any : id)));
  if (dueAtMs - nowMs < soonMs) await notify(tx, dueTopic, [String(dueAtMs)]);
}

/** What a process tells that executes nothing and does not speak to Restate: whoever has the duty sees to the rest. */
export async function tellWorkers(tx: PostgresSession, effects: Effects, nowMs: number): Promise<void> {
  await tellOthers(tx, effects, nowMs);
  if (effects.agents.size > 0 || effects.bells.length > 0) await notify(tx, workTopic, [""]);
}
