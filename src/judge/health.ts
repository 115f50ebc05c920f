import { formatDuration } from "../base/duration.ts";
import { describeHealth, type HealthState, type HealthVerdict } from "../record/health.ts";
import { type DeadReason, isOwnWait, type WaitingReason } from "../record/task.ts";
import type { AgentExpectation, AgentObservation, WaitingTask } from "./observation.ts";

/**
 * Names the condition of an agent. Every bad condition is a threshold in time: it holds from one instant on, until a record changes the
 * observation. So a verdict only gets worse by itself, and the instant of its next change is known.
 *  H1 the worst condition is the verdict: down, missed, stalled, hollow, stuck-waiting, then paused, working, waiting, idle;
 *  H2 without a new record nothing changes before `reviewAtMs`, and a bad verdict stays bad;
 *  H3 an agent that has no work, and had none since its last progress, is not bad.
 */

/** A free slot takes a queued task within this time. */
export const startWithinMs = 60_000;

/** A firing is late after one interval, but not before this, and after three intervals in any case. */
const lateMinMs = 2000;
const lateIntervalsMax = 3;

/** When schedules begin to fire, what fell due before is made up within this time, beside what a firing may be late. */
const makeUpMs = 5000;

/** Waits that people or code outside end: they go on while the team is down. The others end by the team's own work. */
const outsideReasons: readonly WaitingReason[] = ["human", "signal", "paused", "code-mismatch", "unknown-effect"];

/** A bad condition that holds from `fromMs` on. */
interface Condition {
  readonly health: HealthState;
  readonly fromMs: number;
  readonly evidence: string;
}

type Find = (observation: AgentObservation, expectation: AgentExpectation, nowMs: number) => readonly Condition[];

/** The worst first. */
const findBad: readonly Find[] = [findDown, findMissed, findStalled, findHollow, findStuckWaiting];

/** The condition of one agent at `nowMs`, with the numbers that led to it. */
export function computeHealth(observation: AgentObservation, expectation: AgentExpectation, nowMs: number): HealthVerdict {
  const upcomingMs: number[] = [];
  for (const find of findBad) {
    const condition = earliest(find(observation, expectation, nowMs));
    if (condition !== null && condition.fromMs <= nowMs) return toVerdict(observation, condition, true, nowMs, upcomingMs);
    if (condition !== null) upcomingMs.push(condition.fromMs);
  }
  return toVerdict(observation, describeGood(observation, nowMs), false, nowMs, upcomingMs);
}

function toVerdict({ agent, degraded }: AgentObservation, { health, evidence }: Omit<Condition, "fromMs">, bad: boolean, nowMs: number, upcomingMs: readonly number[]): HealthVerdict {
  const told = degraded === null ? evidence : `${evidence} Degraded: ${degraded}`;
  return { agent, health, bad, degraded, evidence: told, atMs: nowMs, reviewAtMs: upcomingMs.length === 0 ? null : Math.min(...upcomingMs) };
}

/** Of several causes of one state, the one that held first: it stays the one that is told. */
function earliest(conditions: readonly Condition[]): Condition | null {
  return conditions.reduce<Condition | null>((first, condition) => (first === null || condition.fromMs < first.fromMs ? condition : first), null);
}

/** Every later task dies of these too, so that one is enough. */
const refusedReasons: readonly DeadReason[] = ["auth", "billing"];

function findDown({ consecutiveDead, lastDeadReason }: AgentObservation, { consecutiveDeadMax }: AgentExpectation): readonly Condition[] {
  if (consecutiveDead > 0 && lastDeadReason !== null && refusedReasons.includes(lastDeadReason)) {
    const evidence = `The last task died of ${lastDeadReason}: the provider takes no call of this account, and every task dies until that is mended.`;
    return [{ health: { state: "down" }, fromMs: Number.NEGATIVE_INFINITY, evidence }];
  }
  if (consecutiveDead > 0 && lastDeadReason === "compensation-failed") {
    const evidence = "What the last task had done could not all be undone, and stands: mend the cause and restart what undoes it (longhaul ps --all lists it, longhaul restart c_…).";
    return [{ health: { state: "down" }, fromMs: Number.NEGATIVE_INFINITY, evidence }];
  }
  if (consecutiveDead < consecutiveDeadMax) return [];
  const last = lastDeadReason === null ? "" : `, the last one of ${lastDeadReason}`;
  return [{ health: { state: "down" }, fromMs: Number.NEGATIVE_INFINITY, evidence: `${count(consecutiveDead, "task")} in a row died${last}; ${consecutiveDeadMax} in a row are the limit.` }];
}

function findMissed({ schedules, observedSinceMs, firesSinceMs }: AgentObservation, _expectation: AgentExpectation, nowMs: number): readonly Condition[] {
  return schedules
    .filter(({ lastReceiptAtMs, nextAtMs }) => lastReceiptAtMs === null || lastReceiptAtMs < nextAtMs)
    .map(({ triggerId, nextAtMs, intervalMs }) => {
      const graceMs = Math.min(Math.max(intervalMs, lateMinMs), lateIntervalsMax * intervalMs);
      const evidence = `${triggerId} should have fired ${formatDuration(nowMs - nextAtMs)} ago and left no receipt; it fires every ${formatDuration(intervalMs)}.`;
      return { health: { state: "missed" }, fromMs: Math.max(nextAtMs, observedSinceMs, firesSinceMs + makeUpMs) + graceMs + 1, evidence };
    });
}

function findStalled(observation: AgentObservation, expectation: AgentExpectation, nowMs: number): readonly Condition[] {
  const silent = findSilent(observation, expectation, nowMs);
  return observation.paused ? silent : [...silent, ...findNotStarting(observation, nowMs), ...findFruitless(observation, expectation, nowMs)];
}

function findSilent({ running, observedSinceMs }: AgentObservation, { activityWithinMs }: AgentExpectation, nowMs: number): readonly Condition[] {
  return running.map(({ taskId, lastActivityAtMs }) => {
    const sinceMs = Math.max(lastActivityAtMs, observedSinceMs);
    const evidence = `Task ${taskId} has been silent for ${formatDuration(nowMs - sinceMs)}; a step shows activity within ${formatDuration(activityWithinMs)}.`;
    return { health: { state: "stalled" }, fromMs: sinceMs + activityWithinMs + 1, evidence };
  });
}

/** Since the last thing that moved (a start, an end, a wait that freed its slot), a free slot has taken nothing from the queue. */
function findNotStarting(observation: AgentObservation, nowMs: number): readonly Condition[] {
  const { oldestQueuedAtMs, queued, slotsFree, observedSinceMs, lastEndedAtMs, running, waiting } = observation;
  if (oldestQueuedAtMs === null || slotsFree <= 0) return [];
  const sinceMs = Math.max(oldestQueuedAtMs, observedSinceMs, lastEndedAtMs ?? observedSinceMs, ...running.map(({ startedAtMs }) => startedAtMs), ...waiting.map((task) => task.sinceMs));
  const evidence = `${count(queued, "task")} queued, ${count(slotsFree, "slot")} free, and nothing started for ${formatDuration(nowMs - sinceMs)}; a free slot takes a task within ${formatDuration(startWithinMs)}.`;
  return [{ health: { state: "stalled" }, fromMs: sinceMs + startWithinMs + 1, evidence }];
}

/** There is work, nothing was done since the last progress, and the work has been open for too long, however often it was tried again. */
function findFruitless(observation: AgentObservation, { progressWithinMs }: AgentExpectation, nowMs: number): readonly Condition[] {
  const { oldestQueuedAtMs, running, queued, doneSinceProgress, deadSinceProgress } = observation;
  const openSince = [...(oldestQueuedAtMs === null ? [] : [oldestQueuedAtMs]), ...running.map(({ openSinceMs }) => openSinceMs)];
  if (openSince.length === 0 || doneSinceProgress > 0) return [];
  const sinceMs = Math.max(progressBaseMs(observation), Math.min(...openSince));
  const evidence = `${running.length} running, ${queued} queued, ${deadSinceProgress} died, none done, and no progress for ${formatDuration(nowMs - sinceMs)}; progress is expected within ${formatDuration(progressWithinMs)}.`;
  return [{ health: { state: "stalled" }, fromMs: sinceMs + progressWithinMs + 1, evidence }];
}

/**
 * Runs succeed, nothing is accomplished. Counted from the last progress; after an interval without any work, from the first end since, so that
 * the first task after a quiet night does not make an agent hollow. Under a pause only what ended before it counts.
 */
function findHollow(observation: AgentObservation, { progressWithinMs }: AgentExpectation, nowMs: number): readonly Condition[] {
  const { doneSinceProgress, firstEndSinceProgressAtMs, lastEndedAtMs, lastProgressAtMs, progressSinceMs, paused } = observation;
  if (doneSinceProgress === 0) return [];
  const baseMs = progressBaseMs(observation);
  const firstEndMs = firstEndSinceProgressAtMs ?? baseMs;
  const fromMs = (firstEndMs - baseMs > progressWithinMs ? firstEndMs : baseMs) + progressWithinMs + 1;
  if (paused && (lastEndedAtMs ?? baseMs) < fromMs) return [];
  const since = lastProgressAtMs === null ? `the start ${formatDuration(nowMs - progressSinceMs)} ago, without progress` : `the last progress ${formatDuration(nowMs - lastProgressAtMs)} ago`;
  const evidence = `${count(doneSinceProgress, "run")} succeeded since ${since}; progress is expected within ${formatDuration(progressWithinMs)}.`;
  return [{ health: { state: "hollow" }, fromMs, evidence }];
}

/** A wait of the team's own that follows on another one, with only a vain try between them, is the same wait. */
function findStuckWaiting(observation: AgentObservation, { progressWithinMs }: AgentExpectation, nowMs: number): readonly Condition[] {
  const { waiting, observedSinceMs } = observation;
  return waiting
    .filter(({ reason }) => reason !== "timer")
    .map(({ taskId, reason, sinceMs, openSinceMs }) => {
      const ownMs = isOwnWait(reason) ? Math.max(openSinceMs, progressBaseMs(observation)) : Math.max(sinceMs, observedSinceMs);
      const startMs = outsideReasons.includes(reason) ? sinceMs : ownMs;
      const evidence = `Task ${taskId} has waited for ${reason} for ${formatDuration(nowMs - startMs)}; a wait may last ${formatDuration(progressWithinMs)}.`;
      return { health: { state: "stuck-waiting", reason }, fromMs: startMs + progressWithinMs + 1, evidence };
    });
}

function describeGood({ paused, running, queued, waiting, progressCount }: AgentObservation, nowMs: number): Omit<Condition, "fromMs"> {
  if (paused) return { health: { state: "paused" }, evidence: `Paused; ${running.length} running, ${queued} queued, ${waiting.length} waiting.` };
  if (running.length + queued > 0) return { health: { state: "working" }, evidence: `${running.length} running, ${queued} queued, ${progressCount} accomplished so far.` };
  const wait = longestWait(waiting);
  if (wait === null) return { health: { state: "idle" }, evidence: `No work; ${progressCount} accomplished so far.` };
  const health: HealthState = { state: "waiting", reason: wait.reason };
  return { health, evidence: `${count(waiting.length, "task")} ${describeHealth(health)}, the longest for ${formatDuration(nowMs - wait.sinceMs)}.` };
}

/** A wait for something is told before a wait for a timer. */
function longestWait(waiting: readonly WaitingTask[]): WaitingTask | null {
  const [first] = waiting.toSorted((a, b) => Number(a.reason === "timer") - Number(b.reason === "timer") || a.sinceMs - b.sinceMs);
  return first ?? null;
}

/** Where the time without progress begins: downtime before this start does not count. */
function progressBaseMs({ lastProgressAtMs, progressSinceMs }: AgentObservation): number {
  return Math.max(lastProgressAtMs ?? progressSinceMs, progressSinceMs);
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
