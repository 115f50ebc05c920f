import type { RetentionSpec } from "../agent/team-definition.ts";
import { type Duration, parseDuration } from "../base/duration.ts";
import { type RetentionPolicy, retentionDefaults } from "../policy/retention.ts";
import type { Worker } from "../run/worker.ts";

/** What a validated team keeps for how long. An agent whose earlier outputs may stand in keeps its tasks for as long as they may. */
export function toRetentionPolicy({ journals, deadLetters, records, rollups }: RetentionSpec, workers: Iterable<Worker>): RetentionPolicy {
  return {
    journalsMs: toMs(journals, "journals") ?? retentionDefaults.journalsMs,
    deadLettersMs: toMs(deadLetters, "deadLetters") ?? retentionDefaults.deadLettersMs,
    recordsMs: toMs(records, "records") ?? retentionDefaults.recordsMs,
    rollupsMs: toMs(rollups, "rollups") ?? retentionDefaults.rollupsMs,
    longer: new Map([...workers].flatMap(({ name, spec }) => [...listCachedMs(spec.fallback ?? [])].map((ms) => [name, ms] as const).toSorted(([, a], [, b]) => a - b))),
  };
}

function listCachedMs(fallback: readonly unknown[]): readonly number[] {
  return fallback.flatMap((entry) => {
    const { kind, within } = entry as { readonly kind?: unknown; readonly within?: unknown };
    return kind === "cached" ? [parseDuration(within, "cached: within")] : [];
  });
}

function toMs(duration: Duration | undefined, option: string): number | null {
  return duration === undefined ? null : parseDuration(duration, `retention.${option}`);
}
