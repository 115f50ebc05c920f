import { isJsonObject, type Json } from "../base/json.ts";
import type { Worker } from "../run/worker.ts";

/** What a data file remembers of the team that last ran on it, so that operators can work while it does not run. */
export interface Manifest {
  readonly team: string;
  readonly startedAtMs: number;
  readonly workers: readonly ManifestWorker[];
}

export interface ManifestWorker {
  readonly name: string;
  readonly kind: "agent" | "flow";
  readonly version: string;
  readonly deadlineMs: number;
  readonly queueMax: number;
  readonly concurrency: number;
  readonly progressWithinMs: number;
  readonly triggers: readonly ManifestTrigger[];
}

export interface ManifestTrigger {
  readonly triggerId: string;
  /** Null: fires by events, not by the clock. */
  readonly intervalMs: number | null;
}

export const manifestName = "manifest";

export function toManifest(team: string, startedAtMs: number, workers: Iterable<Worker>, triggersOf: (agent: string) => readonly ManifestTrigger[]): Manifest {
  return {
    team,
    startedAtMs,
    workers: [...workers].map((worker) => ({
      name: worker.name,
      kind: worker.kind,
      version: worker.version,
      deadlineMs: worker.limits.deadlineMs,
      queueMax: worker.limits.queueMax,
      concurrency: worker.limits.concurrency,
      progressWithinMs: worker.progressWithinMs,
      triggers: triggersOf(worker.name),
    })),
  };
}

/** The manifest of a data file, null when no team ever ran on it. */
export function parseManifest(stored: Json): Manifest | null {
  return isJsonObject(stored) && Array.isArray(stored["workers"]) ? (stored as unknown as Manifest) : null;
}
