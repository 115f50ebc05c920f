import type { CountedCrashes, NearLimit, TaskChange } from "../engine/engine.ts";
import { stopReasonOfEnd } from "../record/stop-reason.ts";
import type { Task, TaskEnd } from "../record/task.ts";
import { type RecordFields, toLogRecord } from "../record/log-record.ts";
import type { Json, JsonObject } from "../base/json.ts";
import type { Write } from "../record/write.ts";

export interface RecordContext {
  readonly team: string;
  readonly versionOf: (agent: string) => string | null;
  readonly id: () => string;
}

/** The records of a task's transition, written in the transition's own commit. */
export function taskRecords(change: TaskChange, context: RecordContext): readonly Write[] {
  const { task, atMs, nearLimit } = change;
  if (nearLimit !== undefined) return [nearLimitRecord(task, nearLimit, atMs, context)];
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

/** One for each limit of a run, however often it is told. */
function nearLimitRecord(task: Task, { limit, value, max }: NearLimit, atMs: number, { team, versionOf }: RecordContext): Write {
  const unit = limit === "steps" ? "steps" : "bytes of its journal";
  const reason = `${value} of at most ${max} ${unit} are used. Over it the task is dead(${limit === "steps" ? "step-limit" : "journal-limit"}): split the work into child tasks, or keep large results elsewhere`;
  const fields: RecordFields = { event_type: "run", agent_id: task.agent, agent_version: versionOf(task.agent), task_id: task.id, run_id: task.runId, result: "limit-near", reason, data: { limit, value, max } };
  return { type: "record", record: toLogRecord(`${task.runId ?? task.id}/limit-near/${limit}`, atMs, team, fields) };
}

function resultOf({ task }: TaskChange): string {
  if (task.status === "waiting") return `waiting(${task.waitingReason ?? "unknown"})`;
  if (task.end?.status === "done") return `done(${task.end.outcome})`;
  if (task.end?.status === "dead") return `dead(${task.end.reason})`;
  return task.status;
}

function reasonOf({ task, from, earlierVersion, failure, crashes }: TaskChange): string | null {
  if (from === null) return `started by ${task.source}`;
  if (crashes !== undefined) return describeCrashes(crashes);
  if (earlierVersion !== undefined) return `goes on with another version of ${task.agent}; so far it ran with ${earlierVersion}`;
  if (task.end?.status === "dead") return task.end.failure.message;
  if (failure !== undefined) return failure.message;
  return task.end?.reason ?? null;
}

/** It may be what killed the process, or have executed beside that. */
function describeCrashes({ withoutProgress, withoutProgressMax, inAll, inAllMax }: CountedCrashes): string {
  return `it was executing when its process died: crash ${withoutProgress} of at most ${withoutProgressMax} without progress, and ${inAll} of at most ${inAllMax} in all; after that it is dead(recovery-limit)`;
}

function dataOf({ task, from, failure, crashes }: TaskChange): JsonObject {
  if (from === null) return { input: task.input, key: task.key, source: task.source };
  if (task.end !== null) return { ...endData(task.end), stopReason: stopReasonOfEnd(task.end) };
  if (crashes !== undefined) return { from, crashes: { ...crashes } };
  return failure === undefined ? { from } : { from, failure: failure as unknown as Json };
}

function endData(end: TaskEnd): JsonObject {
  if (end.status === "done") return { output: end.output, evidence: end.evidence };
  return end.status === "dead" ? { failure: end.failure as unknown as Json, evidence: end.evidence } : {};
}
