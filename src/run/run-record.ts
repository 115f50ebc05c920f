import { isLonghaulError, messageOf } from "../base/error.ts";
import type { StepExecution } from "../engine/engine.ts";
import { toLogRecord, type RecordFields } from "../record/log-record.ts";
import type { Write } from "../record/write.ts";
import type { RunScope } from "./run-services.ts";

/** What a record is known by: the step that writes it and its place among that step's records. */
export interface RecordPlace extends Pick<StepExecution, "identity" | "number" | "attempt"> {
  readonly n: number;
}

/** A record of this run as a write. Its id is derived from (run, kind, name, occurrence, n), by which a step is the same in changed code too: writing it again changes nothing. */
export function recordWrite(scope: RunScope, place: RecordPlace, fields: RecordFields): Write {
  const { engine, services, worker } = scope;
  const { kind, name, occurrence } = place.identity;
  const id = `${engine.runId}/${kind}/${name}/${occurrence}/${place.n}`;
  const record = toLogRecord(id, services.clock.now(), services.team, {
    agent_id: worker.name,
    agent_version: worker.version,
    task_id: engine.task.id,
    run_id: engine.runId,
    step: place.number,
    attempt: place.attempt,
    ...fields,
  });
  return { type: "record", record };
}

/** The first record of a step. */
export function placeOf({ identity, number, attempt }: StepExecution): RecordPlace {
  return { identity, number, attempt, n: 0 };
}

/** Collects a record of each retry of a step, and what else there is to say of it, behind the step's own record. */
export interface RetryLog {
  /** Another record of the same step. */
  readonly add: (fields: RecordFields) => void;
  readonly writes: readonly Write[];
  readonly onRetry: (retry: { readonly attempt: number; readonly delayMs: number; readonly error: unknown }) => void;
}

export function createRetryLog(scope: RunScope, place: RecordPlace): RetryLog {
  const writes: Write[] = [];
  const add = (fields: RecordFields): void => void writes.push(recordWrite(scope, { ...place, n: place.n + writes.length + 1 }, fields));
  return {
    add,
    writes,
    onRetry({ attempt, delayMs, error }) {
      add({ event_type: "retry", result: "retry", reason: messageOf(error), data: { attempt, delayMs, code: isLonghaulError(error) ? error.code : null } });
    },
  };
}
