import { isJsonObject, type Json } from "../base/json.ts";
import { idOfModel, listModels } from "../agent/model-reference.ts";
import type { RetentionPolicy } from "../policy/retention.ts";
import type { Worker } from "../run/worker.ts";
import { mcpDependency, toolDependency } from "../tool/tool.ts";

/** What a data file remembers of the team that last ran on it, so that operators can work while it does not run. */
export interface Manifest {
  readonly team: string;
  readonly startedAtMs: number;
  /** Since when time has gone by without a gap: the start, or the last time the machine slept or its wall clock was set forward. */
  readonly awakeSinceMs: number;
  /** Since when this process, which has the duties, can fire schedules. Undefined in manifests of earlier versions. */
  readonly firesSinceMs?: number;
  readonly workers: readonly ManifestWorker[];
  /** How long what ended is kept. Undefined in manifests of earlier versions. */
  readonly retention?: Pick<RetentionPolicy, "journalsMs" | "deadLettersMs" | "recordsMs">;
}

export interface ManifestWorker {
  readonly name: string;
  readonly kind: "agent" | "flow";
  readonly version: string;
  readonly deadlineMs: number;
  readonly queueMax: number;
  readonly concurrency: number;
  readonly progressWithinMs: number;
  /** From when on progress is expected at the earliest. */
  readonly progressSinceMs: number;
  readonly triggers: readonly ManifestTrigger[];
  /** The models, tools and MCP servers that it declares, as records name them. Code may use others. Undefined in manifests of earlier versions. */
  readonly dependencies?: readonly string[];
}

export interface ManifestTrigger {
  readonly triggerId: string;
  /** Null: fires by events, not by the clock. */
  readonly intervalMs: number | null;
}

export const manifestName = "manifest";

export interface ManifestOptions {
  readonly team: string;
  readonly startedAtMs: number;
  readonly workers: Iterable<Worker>;
  readonly triggersOf: (agent: string) => readonly ManifestTrigger[];
  readonly retention: RetentionPolicy;
  /** Of the last start on the same data, with the last sign of life since. */
  readonly previous: { readonly manifest: Manifest; readonly lastSeenAtMs: number } | null;
}

/** A team that was down for no more than this part of an interval goes on in the same one: restarts must not hide that nothing is accomplished. */
const downtimeRatioMax = 0.1;

export function toManifest({ team, startedAtMs, workers, triggersOf, retention, previous }: ManifestOptions): Manifest {
  const progressSinceMs = ({ name, progressWithinMs }: Worker): number => {
    const isGap = previous === null || startedAtMs - previous.lastSeenAtMs > progressWithinMs * downtimeRatioMax;
    return (isGap ? undefined : previous.manifest.workers.find((worker) => worker.name === name)?.progressSinceMs) ?? startedAtMs;
  };
  return {
    team,
    startedAtMs,
    awakeSinceMs: startedAtMs,
    firesSinceMs: startedAtMs,
    retention: { journalsMs: retention.journalsMs, deadLettersMs: retention.deadLettersMs, recordsMs: retention.recordsMs },
    workers: [...workers].map((worker) => ({
      name: worker.name,
      kind: worker.kind,
      version: worker.version,
      deadlineMs: worker.limits.deadlineMs,
      queueMax: worker.limits.queueMax,
      concurrency: worker.limits.concurrency,
      progressWithinMs: worker.progressWithinMs,
      progressSinceMs: progressSinceMs(worker),
      triggers: triggersOf(worker.name),
      dependencies: dependenciesOf(worker),
    })),
  };
}

function dependenciesOf({ spec: { model, tools = [] } }: Worker): readonly string[] {
  const models = model === undefined ? [] : listModels(model).map(idOfModel);
  return [...models, ...tools.map(({ kind, spec }) => (kind === "mcp" ? mcpDependency(spec.name) : toolDependency(spec.name)))];
}

/** The manifest of a data file, null when no team ever ran on it. */
export function parseManifest(stored: Json): Manifest | null {
  return isJsonObject(stored) && Array.isArray(stored["workers"]) ? (stored as unknown as Manifest) : null;
}
