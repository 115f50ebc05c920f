import type { JsonObject } from "../base/json.ts";
import { toLogRecord } from "../record/log-record.ts";
import { describeReceipt, type ReceiptResult } from "../record/receipt.ts";
import { toFailure } from "../record/failure.ts";
import type { Write } from "../record/write.ts";

export interface Receipt {
  /** The key of the firing: its records have ids derived from it, so that writing them twice is writing them once. */
  readonly key: string;
  readonly team: string;
  readonly agent: string;
  readonly triggerId: string;
  readonly atMs: number;
  readonly dueAtMs: number;
  readonly result: ReceiptResult;
  readonly data?: JsonObject;
  /** What user code threw: also leaves an error record. */
  readonly error?: unknown;
}

/** The records of one firing. */
export function toReceiptWrites(receipt: Receipt): readonly Write[] {
  const { key, team, agent, triggerId, atMs, dueAtMs, result, error } = receipt;
  const data = { triggerId, dueAtMs, ...receipt.data };
  const task_id = "taskId" in result ? result.taskId : null;
  const reason = "reason" in result ? result.reason : null;
  const fields = { event_type: "trigger", agent_id: agent, task_id, result: describeReceipt(result), reason, data } as const;
  const writes: Write[] = [{ type: "record", record: toLogRecord(`receipt:${key}`, atMs, team, fields) }];
  if (error !== undefined) {
    const failure = toFailure(error);
    const errorFields = { event_type: "error", agent_id: agent, result: "error", reason: failure.message, data: { ...data, code: failure.code, name: failure.name } } as const;
    writes.push({ type: "record", record: toLogRecord(`error:${key}`, atMs, team, errorFields) });
  }
  return writes;
}
