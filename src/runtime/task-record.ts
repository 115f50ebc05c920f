import type { TaskChange } from "../engine/engine.ts";
import { type RecordFields, toLogRecord } from "../record/log-record.ts";
import type { Json, JsonObject } from "../base/json.ts";
import type { Write } from "../record/write.ts";

/** The records of a task's transition, written in the transition's own commit. */
export function taskRecords(change: TaskChange, context: { readonly team: string; readonly versionOf: (agent: string) => string | null; readonly id: () => string }): readonly Write[] {
  const { task, atMs } = change;
  const fields: RecordFields = {
    event_type: "task",
    agent_id: task.agent,
    agent_version: context.versionOf(task.agent),
    task_id: task.id,
    run_id: task.runId,
    result: resultOf(change),
    reason: reasonOf(change),
    duration_ms: task.endedAtMs === null ? null : task.endedAtMs - task.createdAtMs,
    data: dataOf(change),
  };
  return [{ type: "record", record: toLogRecord(context.id(), atMs, context.team, fields) }];
}

function resultOf({ task }: TaskChange): string {
  if (task.status === "waiting") return `waiting(${task.waitingReason ?? "unknown"})`;
  if (task.end?.status === "done") return `done(${task.end.outcome})`;
  if (task.end?.status === "dead") return `dead(${task.end.reason})`;
  return task.status;
}

function reasonOf({ task, from, earlierVersion }: TaskChange): string | null {
  if (from === null) return `started by ${task.source}`;
  if (earlierVersion !== undefined) return `goes on with another version of ${task.agent}; so far it ran with ${earlierVersion}`;
  if (task.end?.status === "dead") return task.end.failure.message;
  return task.end?.status === "canceled" ? task.end.reason : null;
}

function dataOf({ task, from }: TaskChange): JsonObject {
  if (from === null) return { input: task.input, key: task.key, source: task.source };
  if (task.end?.status === "done") return { output: task.end.output, evidence: task.end.evidence };
  if (task.end?.status === "dead") return { failure: task.end.failure as unknown as Json, evidence: task.end.evidence };
  return { from };
}
