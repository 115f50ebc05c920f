import type { Clock } from "../base/clock.ts";
import { isLonghaulError } from "../base/error.ts";
import type { Json, JsonObject } from "../base/json.ts";
import type { Started } from "../engine/engine.ts";
import type { ReceiptResult } from "../record/receipt.ts";
import type { Write } from "../record/write.ts";
import { toReceiptWrites } from "./receipt-writes.ts";
import type { Registration, TimedTrigger } from "./registration.ts";
import type { TriggerState } from "./trigger-state.ts";
import { describeThrown } from "./user-code.ts";

/** A task that a trigger asks for. */
export interface TriggeredTask {
  readonly id: string;
  readonly agent: string;
  readonly input: Json;
  readonly key: string;
  /** "trigger research/every:15m". */
  readonly source: string;
}

export interface StartRequest {
  readonly task: TriggeredTask;
  /** The receipt and the trigger's new state: they belong into the commit of the start. */
  readonly writes: readonly Write[];
}

/** What a firing needs of the team. */
export interface FiringPorts {
  readonly clock: Clock;
  readonly team: string;
  /** Starts the task and applies the writes in one commit; when a task with the key exists, returns it and applies nothing. */
  readonly start: (request: StartRequest) => Promise<Started>;
  readonly write: (writes: readonly Write[]) => Promise<void>;
  readonly taskIsOpen: (task: { readonly id: string; readonly agent: string }) => Promise<boolean>;
  readonly taskId: () => string;
  /** Aborts when the scheduler closes. */
  readonly signal: AbortSignal;
}

/** One firing that is under way. */
export interface DueFiring<Kind extends TimedTrigger = TimedTrigger> {
  readonly registration: Registration<Kind>;
  readonly key: string;
  readonly dueAtMs: number;
  readonly atMs: number;
  readonly state: TriggerState;
  /** The state after the firing, but for what the firing itself finds. */
  readonly after: TriggerState;
}

export interface FiringEnd {
  readonly result: ReceiptResult;
  readonly state: TriggerState;
}

export function toStateWrite(triggerId: string, state: TriggerState): Write {
  return { type: "trigger.state", triggerId, state: { ...state } };
}

/** The receipt's writes of a firing, or of one item of it. */
export function receiptOf(ports: FiringPorts, due: DueFiring, result: ReceiptResult, more: { readonly key?: string; readonly data?: JsonObject; readonly error?: unknown } = {}): readonly Write[] {
  const { registration, key, dueAtMs, atMs } = due;
  return toReceiptWrites({ key, ...more, team: ports.team, agent: registration.agent, triggerId: registration.triggerId, atMs, dueAtMs, result });
}

/** Ends a firing that starts no task. */
export async function endFiring(ports: FiringPorts, due: DueFiring, result: ReceiptResult, error?: unknown): Promise<FiringEnd> {
  await ports.write([...receiptOf(ports, due, result, { error }), toStateWrite(due.registration.triggerId, due.after)]);
  return { result, state: due.after };
}

/** Ends a firing whose user code threw. */
export function failFiring(ports: FiringPorts, due: DueFiring, error: unknown): Promise<FiringEnd> {
  return endFiring(ports, due, { result: "skipped", reason: describeThrown(error) }, error);
}

export function describeSource(triggerId: string): string {
  return `trigger ${triggerId}`;
}

const refusals: readonly string[] = ["TASK_INPUT_INVALID", "JSON_INVALID", "PAYLOAD_TOO_LARGE", "AGENT_UNKNOWN", "OPTION_INVALID"];

/** True when a start was refused for what the task is: trying it again would change nothing. */
export function isRefusal(error: unknown): boolean {
  return isLonghaulError(error) && refusals.includes(error.code);
}

export function isQueueFull(error: unknown): boolean {
  return isLonghaulError(error) && error.code === "QUEUE_FULL";
}
