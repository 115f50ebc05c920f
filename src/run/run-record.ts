import { toLogRecord, type RecordFields } from "../record/log-record.ts";
import type { Write } from "../record/write.ts";
import type { RunScope } from "./run-services.ts";

/** What a record is numbered by: the step that writes it and its place among that step's records. */
export interface RecordPlace {
  readonly step: number;
  readonly n: number;
  readonly attempt: number;
}

/** A record of this run as a write. Its id is derived from (run, step, n): writing it again changes nothing. */
export function recordWrite(scope: RunScope, place: RecordPlace, fields: RecordFields): Write {
  const { engine, services, worker } = scope;
  const id = `${engine.runId}/${place.step}/${place.n}`;
  const record = toLogRecord(id, services.clock.now(), services.team, {
    agent_id: worker.name,
    agent_version: worker.version,
    task_id: engine.task.id,
    run_id: engine.runId,
    step: place.step,
    attempt: place.attempt,
    ...fields,
  });
  return { type: "record", record: services.redact(record as never) };
}
