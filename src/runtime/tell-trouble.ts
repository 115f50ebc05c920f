import type { LiveWorker } from "../engine/restate/team-address.ts";
import type { HealthVerdict } from "../record/health.ts";

/** What keeps workers from Restate is named with every verdict: no task of any agent begins. */
export function tellTrouble(verdicts: readonly HealthVerdict[], workers: readonly LiveWorker[]): readonly HealthVerdict[] {
  const troubled = workers.filter(({ trouble }) => trouble !== null);
  const [first] = troubled;
  if (first === undefined) return verdicts;
  const whose = troubled.length === workers.length ? "" : ` So says ${first.name}; ${workers.length - troubled.length} of ${workers.length} workers reach it.`;
  return verdicts.map((verdict) => ({ ...verdict, evidence: `${verdict.evidence} ${first.trouble ?? ""}${whose}` }));
}
