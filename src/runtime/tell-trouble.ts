import type { LiveWorker } from "../engine/restate/team-address.ts";
import type { HealthVerdict } from "../record/health.ts";

/** What keeps all workers from Restate: no task of any agent begins. Null while one of them reaches it, or none lives. */
export function troubleOfAll(workers: readonly LiveWorker[]): string | null {
  return workers.every(({ trouble }) => trouble !== null) ? (workers[0]?.trouble ?? null) : null;
}

/** What keeps workers from Restate is named with every verdict; while it keeps all of them from it, no agent is well. */
export function tellTrouble(verdicts: readonly HealthVerdict[], workers: readonly LiveWorker[]): readonly HealthVerdict[] {
  const troubled = workers.filter(({ trouble }) => trouble !== null);
  const [first] = troubled;
  if (first === undefined) return verdicts;
  const whose = troubled.length === workers.length ? "" : ` So says ${first.name}; ${workers.length - troubled.length} of ${workers.length} workers reach it.`;
  const isAway = troubleOfAll(workers) !== null;
  const judge = (verdict: HealthVerdict): HealthVerdict => (isAway && !verdict.bad ? { ...verdict, bad: true, health: { state: "stalled" } } : verdict);
  return verdicts.map(judge).map((verdict) => ({ ...verdict, evidence: `${verdict.evidence} ${first.trouble ?? ""}${whose}` }));
}
