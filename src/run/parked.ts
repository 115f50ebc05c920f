import { isJsonObject, type Json } from "../base/json.ts";
import type { EngineContext } from "../engine/engine.ts";
import type { WaitingReason } from "../record/task.ts";

/** A step that could not go on now: its run waits and the step is made again. Kept in the journal as the step's value. */
export interface Parked {
  readonly parked: WaitingReason;
  /** Null: only a signal ends the wait. */
  readonly forMs: number | null;
  readonly signal: string | null;
  /** Of an unknown effect: its key in the ledger, which stays the same when the call is made again. */
  readonly effectKey: string | null;
  /** Of a call that a person has to allow. */
  readonly permission?: PermissionQuestion;
}

/** What a permission is bound to. */
export interface PermissionQuestion {
  readonly toolName: string;
  readonly callId: string;
  /** Of the exact arguments, in canonical JSON. */
  readonly argumentsHash: string;
  readonly untilMs: number;
  /** How long a permission may wait for its call. */
  readonly withinMs: number;
}

/** What begins the names of signals that only Longhaul sends: durable code cannot wait for them. */
export const ownSignalPrefix = "longhaul:";
/** What begins the names of signals that answer questions; the key of the step that asked follows. */
export const permissionSignalPrefix = `${ownSignalPrefix}permission:`;
export const effectSignalPrefix = `${ownSignalPrefix}effect:`;
/** Wakes a run that waits for a budget. */
export const budgetSignal = `${ownSignalPrefix}budget`;

/** Wakes a run that waits for a breaker that a person closes; its dependency follows. */
export const breakerSignalPrefix = `${ownSignalPrefix}breaker:`;

/** Between the refusal and its wait a person may have it called again, and signals nobody: so a call looks once more soon, before it waits for long. */
const lookOnceMoreMs = 60_000;

/** Waits outside until the step called `name` may be made again. `before` is what the same call waited for last, if it did. */
export async function waitParked(engine: Pick<EngineContext, "wait">, name: string, { parked: reason, forMs, signal }: Parked, before: Parked | null): Promise<void> {
  const isFirst = signal?.startsWith(breakerSignalPrefix) === true && before?.signal !== signal;
  // What neither time nor a signal would end is made again at once.
  const timeoutMs = isFirst ? Math.min(forMs ?? lookOnceMoreMs, lookOnceMoreMs) : (forMs ?? (signal === null ? 1 : null));
  await engine.wait({ name: `${name}/parked`, reason, ...(timeoutMs === null ? {} : { timeoutMs }), ...(signal === null ? {} : { signal }) });
}

/** Waits between durable retries after the ones in process are used up: 1, 5, 25, 60 minutes, then 4 hours each. */
const durableRetryMs = [60_000, 300_000, 1_500_000, 3_600_000, 14_400_000] as const;

/** How long to wait before durable retry `round` (from 1). */
export function computeDurableRetryMs(round: number): number {
  return durableRetryMs[Math.min(round, durableRetryMs.length) - 1] ?? 14_400_000;
}

export function parkedToJson({ parked, forMs, signal, effectKey, permission }: Parked): Json {
  return { parked, forMs, signal, effectKey, ...(permission === undefined ? {} : { permission: { ...permission } }) };
}

export function parseParked(value: Json): Parked | null {
  if (!isJsonObject(value) || typeof value["parked"] !== "string") return null;
  const { forMs, signal, effectKey } = value;
  return {
    parked: value["parked"] as WaitingReason,
    forMs: typeof forMs === "number" ? forMs : null,
    signal: typeof signal === "string" ? signal : null,
    effectKey: typeof effectKey === "string" ? effectKey : null,
    ...parsePermission(value["permission"]),
  };
}

function parsePermission(value: Json | undefined): Pick<Parked, "permission"> {
  if (!isJsonObject(value)) return {};
  const { toolName, callId, argumentsHash, untilMs, withinMs } = value;
  return { permission: { toolName: String(toolName), callId: String(callId), argumentsHash: String(argumentsHash), untilMs: Number(untilMs), withinMs: Number(withinMs) } };
}
