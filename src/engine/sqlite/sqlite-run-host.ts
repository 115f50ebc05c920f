import type { Clock } from "../../base/clock.ts";
import type { LazyAbort } from "../../base/lazy-abort.ts";
import type { EngineLimits } from "../limits.ts";
import type { RunHost } from "../run-host.ts";
import type { ClaimedRun } from "./claimed-run.ts";
import { perform, type PerformScope } from "./perform.ts";
import { announceNearLimit, endRun, failRun, parkRun, releaseRun, suspendRun } from "./run-exits.ts";
import { isFinal, type Writer } from "./writer.ts";

export interface SqliteRunHostOptions {
  readonly claimed: ClaimedRun;
  readonly writer: Writer;
  readonly clock: Clock;
  readonly limits: EngineLimits;
  readonly queueMax: (agent: string) => number;
  readonly abort: Pick<LazyAbort, "signal">;
  readonly activeMs: () => number;
  readonly lose: (error: unknown) => void;
}

/** What one run does in the data file. */
export function createSqliteRunHost({ claimed, writer, clock, limits, queueMax, abort, activeMs, lose }: SqliteRunHostOptions): RunHost {
  const { task, runId, runSerial, waits, codeVersion } = claimed;
  const scope: PerformScope = {
    writer, clock, limits, queueMax, abort, activeMs, runId, runSerial,
    keyRunId: claimed.keyRunId, taskId: task.id, taskSerial: task.serial,
    recoveriesWithoutProgress: task.recoveriesWithoutProgress, begunAtMs: claimed.begunAtMs, attempt: 1 + claimed.recoveries,
  };
  return {
    isStored: ({ key }) => waits.has(key),
    perform: (operation, seeded) => perform(scope, operation, seeded),
    suspend: (reason, deliveredCount) => suspendRun(writer, scope, reason, deliveredCount),
    release: () => releaseRun(writer, scope),
    park: (error) => parkRun(writer, scope, codeVersion, error),
    end: (end) => endRun(writer, scope, end),
    fail: (reason, error) => failRun(writer, scope, reason, error),
    announce: (nearLimit) => announceNearLimit(writer, scope, nearLimit),
    isFinal, lose,
  };
}
