import { isJsonObject, type JsonObject } from "../base/json.ts";
import { computeNextAfterJumpBack, computeNextAt } from "./next-firing.ts";
import type { TimedTrigger } from "./registration.ts";

/** What a trigger remembers between firings and between processes. */
export interface TriggerState {
  readonly nextAtMs: number;
  readonly lastFiredAtMs: number | null;
  /** The task that it started last. */
  readonly lastTaskId: string | null;
  /** How often the clock went back: part of the keys, so that an instant that comes twice is two firings. */
  readonly turn: number;
  /** The start of the process for which an `atStart` firing was made. */
  readonly startedFor: number | null;
  /** Of a poll: what its last complete round returned. */
  readonly cursor: JsonObject | null;
}

/** The state of a trigger when a process starts: a new one, the stored one, or the stored one corrected because the clock went back while the team was down. */
export function adoptState(trigger: TimedTrigger, stored: JsonObject | undefined, nowMs: number): TriggerState {
  const state = parseTriggerState(stored);
  if (state === null) return { nextAtMs: computeNextAt(trigger, nowMs), lastFiredAtMs: null, lastTaskId: null, turn: 0, startedFor: null, cursor: null };
  const { lastFiredAtMs } = state;
  // By how much it went back at least. A trigger that never fired cannot fire an instant twice: it begins again.
  const jumpMs = lastFiredAtMs === null ? 0 : Math.max(0, lastFiredAtMs - nowMs);
  const mayBeTooLate = lastFiredAtMs === null || jumpMs > 0 || trigger.kind !== "cron";
  if (!mayBeTooLate || state.nextAtMs <= nowMs) return state;
  return toStateAfterJumpBack(trigger, state, { nowMs, jumpMs });
}

/** The state by the new time. The last firing is moved too, so that a second jump still knows how long ago it was. */
export function toStateAfterJumpBack(trigger: TimedTrigger, state: TriggerState, { nowMs, jumpMs }: { readonly nowMs: number; readonly jumpMs: number }): TriggerState {
  const nextAtMs = computeNextAfterJumpBack(trigger, { nowMs, jumpMs, nextAtMs: state.nextAtMs, lastFiredAtMs: state.lastFiredAtMs });
  const lastFiredAtMs = state.lastFiredAtMs === null ? null : state.lastFiredAtMs - jumpMs;
  return { ...state, nextAtMs, lastFiredAtMs, turn: nextAtMs === state.nextAtMs ? state.turn : state.turn + 1 };
}

/** Reads a stored state; null when there is none, or none that can be read. */
function parseTriggerState(stored: JsonObject | undefined): TriggerState | null {
  const nextAtMs = numberOf(stored?.["nextAtMs"]);
  if (stored === undefined || nextAtMs === null) return null;
  const { lastTaskId, cursor } = stored;
  return {
    nextAtMs,
    lastFiredAtMs: numberOf(stored["lastFiredAtMs"]),
    lastTaskId: typeof lastTaskId === "string" ? lastTaskId : null,
    turn: numberOf(stored["turn"]) ?? 0,
    startedFor: numberOf(stored["startedFor"]),
    cursor: isJsonObject(cursor) ? cursor : null,
  };
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
