import { assert } from "../base/assert.ts";
import { parseDuration } from "../base/duration.ts";
import { parseCron } from "../agent/cron-pattern.ts";
import type { CronTrigger } from "../agent/trigger-definition.ts";
import type { TimedTrigger } from "./registration.ts";

/** The first instant after `fromMs` at which the trigger is due, when it begins to count there. */
export function computeNextAt(trigger: TimedTrigger, fromMs: number): number {
  if (trigger.kind !== "cron") return fromMs + parseDuration(trigger.every, "every");
  const next = parseCron(trigger.pattern, trigger.timezone).nextRun(new Date(fromMs));
  assert(next !== null, `the cron pattern ${trigger.pattern} never matches`);
  return next.getTime();
}

/** The next instant after a firing: of an interval, the first multiple after `nowMs`, so that late firings do not shift the rest. Instants between are not made up. */
export function computeNextAfter(trigger: TimedTrigger, dueAtMs: number, nowMs: number): number {
  if (trigger.kind === "cron") return computeNextAt(trigger, Math.max(dueAtMs, nowMs));
  const intervalMs = parseDuration(trigger.every, "every");
  return dueAtMs + intervalMs * Math.max(1, Math.floor((nowMs - dueAtMs) / intervalMs) + 1);
}

/** The usual time between two firings, at this instant. */
export function computePeriodMs(trigger: TimedTrigger, nowMs: number): number {
  const first = computeNextAt(trigger, nowMs);
  return computeNextAt(trigger, first) - first;
}

export interface JumpBack {
  /** The time after the jump. */
  readonly nowMs: number;
  /** How far the clock went back. */
  readonly jumpMs: number;
  /** The instant that was next before the jump. */
  readonly nextAtMs: number;
  /** By the clock before the jump; null when it never fired. */
  readonly lastFiredAtMs: number | null;
}

/**
 * The next instant after the clock went back. An interval goes on as if nothing had happened: its wait is what was left of it. A cron pattern follows the
 * new time, but an instant that comes a second time counts only when three quarters of its usual gap have really passed since the last firing.
 */
export function computeNextAfterJumpBack(trigger: TimedTrigger, jump: JumpBack): number {
  const { nowMs, jumpMs, nextAtMs, lastFiredAtMs } = jump;
  if (trigger.kind !== "cron") return Math.min(Math.max(nowMs, nextAtMs - jumpMs), computeNextAt(trigger, nowMs));
  const sinceFiredMs = lastFiredAtMs === null ? Number.POSITIVE_INFINITY : Math.max(0, nowMs + jumpMs - lastFiredAtMs);
  let atMs = computeNextAt(trigger, nowMs - justPassedMs);
  while (atMs < nextAtMs && sinceFiredMs + atMs - nowMs < repeatGapRatio * gapBefore(trigger, atMs)) atMs = computeNextAt(trigger, atMs);
  return atMs;
}

const repeatGapRatio = 0.75;
/** A jump is noticed when a timer ends, which may be an instant of the new time: one that has just passed still counts. */
const justPassedMs = 1000;

function gapBefore(trigger: CronTrigger<unknown>, atMs: number): number {
  const previous = parseCron(trigger.pattern, trigger.timezone).previousRuns(1, new Date(atMs))[0];
  return previous === undefined ? 0 : atMs - previous.getTime();
}

/** At most this many catch-ups at once. */
const catchUpsAtOnce = 5;
/** The wait between two groups of catch-ups. */
const catchUpGapMs = 5000;

/**
 * How long each of the overdue triggers waits for its make-up firing, given their periods: five at once, then five seconds apart, but all within
 * their own period. `waiting` catch-ups are planned already.
 */
export function computeCatchUpDelays(periodsMs: readonly number[], waiting = 0): readonly number[] {
  const ranks = new Map(periodsMs.map((periodMs, index) => ({ periodMs, index })).toSorted((a, b) => a.periodMs - b.periodMs).map(({ index }, rank) => [index, rank]));
  const total = waiting + periodsMs.length;
  return periodsMs.map((periodMs, index) => {
    const rank = waiting + (ranks.get(index) ?? 0);
    return Math.floor(Math.min(Math.floor(rank / catchUpsAtOnce) * catchUpGapMs, (periodMs * rank) / total));
  });
}
