import { formatBytes, formatDuration } from "../../base/amount-text.ts";
import type { WorkerEnd } from "../../record/worker-end.ts";
import { rememberEnd } from "./unrecorded-ends.ts";
import { recycledExitCode, type StopMessage, type WorkerLimits, type WorkerMemory, type WorkerMessage } from "./worker-message.ts";

/** A supervisor looks at its worker once in so long. */
export const tickMs = 1_000;
/** When its own ticks are so far apart, the supervisor itself stood still: of the worker's silence nothing is known. */
const stoodStillMs = 5 * tickMs;
/** How much longer than its drain a worker may take to end. */
const graceMs = 10_000;
/** Before it works, a worker may load a large team or replay a long log without turning its loop. */
const startSilenceMsMin = 300_000;
/** The first restart is at once; then after 1, 2, 4 ... 30 s. */
const restartMs = 1_000;
const restartMsMax = 30_000;
/** A worker that worked so long begins the row anew. */
const healthyMs = 300_000;
const crashWindowMs = 3_600_000;
/** So many crashes within the window are told as what they are: it does not mend itself. */
export const manyCrashes = 10;
/** The first worker of a row may be recycled at once; the next ones at the earliest after 1, 2, 4 ... 60 min, so that a limit below what a team needs recycles seldom. */
const recycleMs = 60_000;
const recycleMsMax = 3_600_000;
/** Of what V8 may take for what lives long. */
const heapShareMax = 0.75;

interface Worker {
  readonly pid: number;
  readonly heardAtMs: number;
  /** It has its team open, and hears what it is told. Before that only a signal ends it. */
  readonly isOpen: boolean;
  readonly worksSinceMs: number | null;
  readonly memory: WorkerMemory;
  /** What it said last, when it ends in order. */
  readonly end: Extract<WorkerMessage, { type: "ends" }> | null;
}

/** Why the supervisor ends a worker that another one follows. */
interface Verdict {
  readonly how: "blocked" | "recycled";
  readonly reason: string;
}

export interface SupervisorState {
  /** Null until a worker has said so: then nothing is supervised yet. */
  readonly limits: WorkerLimits | null;
  readonly worker: Worker | null;
  /** True when a worker had the team open: from then on crashes are followed by a restart. */
  readonly hasBeenOpen: boolean;
  /** Where it is noted that another worker is started, as the first one said; null: nowhere. */
  readonly noteFile: string | null;
  readonly isStopping: boolean;
  readonly verdict: Verdict | null;
  /** When the worker is killed, unless it has ended by then. */
  readonly killAtMs: number | null;
  readonly restartAtMs: number | null;
  readonly tickedAtMs: number;
  /** Ends in a row without a healthy worker between. */
  readonly crashesInRow: number;
  readonly recyclesInRow: number;
  /** When the last ones were; `crashesLately` says which of them count. */
  readonly crashedAtMs: readonly number[];
  /** True when it was news that they are many. */
  readonly hasToldMany: boolean;
  /** Ends that no worker has recorded yet, oldest first. */
  readonly unrecorded: readonly WorkerEnd[];
}

export type SupervisorEvent =
  | { readonly type: "started"; readonly pid: number }
  /** No process came to be. */
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "message"; readonly message: WorkerMessage }
  | { readonly type: "ended"; readonly exitCode: number | null; readonly signal: NodeJS.Signals | null; readonly signalNumber: number }
  | { readonly type: "asked"; readonly signal: StopMessage["signal"] }
  | { readonly type: "tick" };

export type SupervisorAction =
  | { readonly type: "start"; readonly before: readonly WorkerEnd[] }
  | { readonly type: "signal"; readonly signal: NodeJS.Signals }
  | { readonly type: "stop"; readonly signal: StopMessage["signal"] }
  | { readonly type: "recycle"; readonly reason: string }
  | { readonly type: "say"; readonly text: string }
  | { readonly type: "exit"; readonly exitCode: number };

export interface Decision {
  readonly state: SupervisorState;
  readonly actions: readonly SupervisorAction[];
}

/** Both clocks: durations are of the one that nobody sets. */
export interface Instant {
  readonly nowMs: number;
  readonly wallMs: number;
}

export function beginSupervision({ nowMs }: Instant): Decision {
  const state: SupervisorState = {
    limits: null, worker: null, hasBeenOpen: false, noteFile: null, isStopping: false, verdict: null, killAtMs: null, restartAtMs: null, tickedAtMs: nowMs, crashesInRow: 0, recyclesInRow: 0, crashedAtMs: [], hasToldMany: false, unrecorded: [],
  };
  return { state, actions: [{ type: "start", before: [] }] };
}

/**
 * What a supervisor does next.
 *  S1 before a worker had its team open, its exit code is passed on: wrong usage, a team that does not load, a data directory that another process owns;
 *  S2 afterwards, an end that is not in order is followed by a restart, and one in order is not, unless it was refused for a reason that may pass;
 *  S3 it never gives up: restarts come at most 30 s apart, however often it failed, and many within an hour are told as such;
 *  S4 a worker that is silent for too long, or does not end when it should, is killed;
 *  S5 once it was asked to stop, nothing is started any more.
 */
export function superviseWorker(state: SupervisorState, event: SupervisorEvent, instant: Instant): Decision {
  switch (event.type) {
    case "started":
      return stay({ ...state, restartAtMs: null, verdict: null, killAtMs: null, worker: { pid: event.pid, heardAtMs: instant.nowMs, isOpen: false, worksSinceMs: null, memory: { residentBytes: 0, heapShare: 0 }, end: null } });
    case "failed":
      return onFailed(state, event.message, instant);
    case "message":
      return onMessage(state, event.message, instant);
    case "ended":
      return onEnd({ ...state, worker: null, killAtMs: null, verdict: null }, state, event, instant);
    case "asked":
      return onAsked(state, event.signal, instant);
    case "tick":
      return onTick(state, instant);
  }
}

/** How long until the next tick: what a worker says meanwhile does not put it off. */
export function untilNextLookMs({ tickedAtMs, restartAtMs, killAtMs }: SupervisorState, { nowMs }: Instant): number {
  return Math.max(0, Math.min(tickedAtMs + tickMs, restartAtMs ?? Number.POSITIVE_INFINITY, killAtMs ?? Number.POSITIVE_INFINITY) - nowMs);
}

/** False when the worker should have been heard of or ended, and the kill did not help. */
export function isInControl({ worker, limits, killAtMs }: SupervisorState, { nowMs }: Instant): boolean {
  if (worker === null || limits === null) return true;
  return nowMs - worker.heardAtMs <= silenceMax(worker, limits) + graceMs && (killAtMs === null || nowMs <= killAtMs + graceMs);
}

/** When the worker crashed within the last hour. */
export function crashesLately({ crashedAtMs }: SupervisorState, { nowMs }: Instant): readonly number[] {
  return crashedAtMs.filter((atMs) => nowMs - atMs < crashWindowMs);
}

/** What is to be noted for people: the next worker does not work yet, and those before it ended. Null: nothing is. */
export interface Restarting {
  /** On the clock that nobody sets; null: it was started. */
  readonly restartAtMs: number | null;
  readonly crashesWithinHour: number;
  readonly last: { readonly atMs: number; readonly reason: string };
}

export function describeRestarting({ unrecorded, isStopping, restartAtMs }: SupervisorState): Restarting | null {
  const last = unrecorded.at(-1);
  return last === undefined || isStopping ? null : { restartAtMs, crashesWithinHour: last.crashes, last: { atMs: last.atMs, reason: last.reason } };
}

/** How long the worker may take to end when it is asked to. */
export function stopWithinMs({ limits }: SupervisorState): number {
  return (limits?.drainMs ?? 0) + graceMs;
}

function stay(state: SupervisorState): Decision {
  return { state, actions: [] };
}

function onMessage(state: SupervisorState, message: WorkerMessage, { nowMs }: Instant): Decision {
  if (state.worker === null) return stay(state);
  const worker = { ...state.worker, heardAtMs: nowMs };
  switch (message.type) {
    case "begins":
      return stay({ ...state, worker, limits: message.limits });
    case "opened":
      return stay({ ...state, worker: { ...worker, isOpen: true }, hasBeenOpen: true, noteFile: message.noteFile ?? null });
    case "works":
      return stay({ ...state, worker: { ...worker, worksSinceMs: nowMs }, unrecorded: [] });
    case "lives":
      return recycleIfLarge({ ...state, worker: { ...worker, memory: message.memory } }, nowMs);
    case "stops":
      return stay({ ...state, worker, isStopping: true, killAtMs: state.killAtMs ?? killAt(state, nowMs) });
    case "ends":
      return stay({ ...state, worker: { ...worker, end: message } });
  }
}

function recycleIfLarge(state: SupervisorState, nowMs: number): Decision {
  const { worker, limits, recyclesInRow } = state;
  if (worker === null || worker.worksSinceMs === null || limits === null || state.verdict !== null || state.isStopping) return stay(state);
  const why = describeExcess(worker.memory, limits);
  if (why === null || nowMs < worker.worksSinceMs + recycleAfterMs(recyclesInRow)) return stay(state);
  const reason = `was recycled: ${why}`;
  const text = `The worker (process ${worker.pid}) is recycled: ${why}. Its steps may finish, then another one goes on.`;
  return { state: { ...state, verdict: { how: "recycled", reason }, killAtMs: killAt(state, nowMs) }, actions: [{ type: "say", text }, { type: "recycle", reason }] };
}

function recycleAfterMs(recyclesInRow: number): number {
  return recyclesInRow === 0 ? 0 : doubled(recycleMs, recyclesInRow - 1, recycleMsMax);
}

function describeExcess({ residentBytes, heapShare }: WorkerMemory, { memoryBytesMax }: WorkerLimits): string | null {
  if (residentBytes > memoryBytesMax) return `it takes ${formatBytes(residentBytes)} of memory, and --memory-max is ${formatBytes(memoryBytesMax)}`;
  if (heapShare > heapShareMax) return `${Math.round(100 * heapShare)} % of the heap that Node may have are in use`;
  return null;
}

function onAsked(state: SupervisorState, signal: StopMessage["signal"], { nowMs }: Instant): Decision {
  if (state.worker === null) return { state: { ...state, isStopping: true, restartAtMs: null }, actions: [{ type: "exit", exitCode: 0 }] };
  return { state: { ...state, isStopping: true, killAtMs: state.killAtMs ?? killAt(state, nowMs) }, actions: [{ type: state.worker.isOpen ? "stop" : "signal", signal }] };
}

function onTick(state: SupervisorState, { nowMs }: Instant): Decision {
  const { worker, limits, killAtMs, restartAtMs } = state;
  const next = { ...state, tickedAtMs: nowMs };
  if (worker === null) return restartAtMs !== null && nowMs >= restartAtMs ? { state: { ...next, restartAtMs: null }, actions: [{ type: "start", before: state.unrecorded }] } : stay(next);
  if (nowMs - state.tickedAtMs > stoodStillMs) return stay({ ...next, worker: { ...worker, heardAtMs: nowMs }, killAtMs: killAtMs === null ? null : killAt(state, nowMs) });
  if (killAtMs !== null && nowMs >= killAtMs) {
    const actions: readonly SupervisorAction[] = [{ type: "say", text: `The worker (process ${worker.pid}) did not end in time. It is killed; what was finished is kept.` }, { type: "signal", signal: "SIGKILL" }];
    const verdict: Verdict | null = state.verdict?.how === "recycled" ? { how: "blocked", reason: "was killed: it was to be recycled, and did not end in time" } : state.verdict;
    return { state: { ...next, verdict, killAtMs: nowMs + graceMs }, actions };
  }
  const silentMs = nowMs - worker.heardAtMs;
  if (limits === null || killAtMs !== null || silentMs <= silenceMax(worker, limits)) return stay(next);
  const reason = `was killed: its event loop was blocked for ${formatDuration(silentMs)}`;
  const text = `The worker (process ${worker.pid}) is killed: its event loop was blocked for ${formatDuration(silentMs)}, and --blocked-after is ${formatDuration(limits.blockedAfterMs)}.`;
  return { state: { ...next, verdict: { how: "blocked", reason }, killAtMs: nowMs + graceMs }, actions: [{ type: "say", text }, { type: "signal", signal: "SIGKILL" }] };
}

function silenceMax({ worksSinceMs }: Worker, { blockedAfterMs }: WorkerLimits): number {
  return worksSinceMs === null ? Math.max(blockedAfterMs, startSilenceMsMin) : blockedAfterMs;
}

function killAt(state: SupervisorState, nowMs: number): number | null {
  return state.limits === null ? null : nowMs + stopWithinMs(state);
}

type Ended = Extract<SupervisorEvent, { type: "ended" }>;

function onEnd(next: SupervisorState, { worker, verdict }: SupervisorState, event: Ended, instant: Instant): Decision {
  const { exitCode, signal, signalNumber } = event;
  const passedOn = exitCode ?? 128 + signalNumber;
  if (next.isStopping) return exit(next, passedOn === recycledExitCode ? 0 : passedOn);
  const isRecycled = verdict?.how === "recycled" && worker?.end !== null && exitCode === recycledExitCode;
  const isCrash = worker !== null && (worker.end === null || worker.end.isTransient || verdict !== null);
  if (worker === null || !next.hasBeenOpen || !(isRecycled || isCrash)) {
    return exit(next, passedOn, signal === null ? [] : [{ type: "say", text: `The worker was ended by ${signal} before it had its team open.` }]);
  }
  const workedMs = worker.worksSinceMs === null ? 0 : instant.nowMs - worker.worksSinceMs;
  return isRecycled ? afterRecycling(next, worker, verdict, workedMs, instant) : afterCrash(next, { pid: worker.pid, ...(verdict?.how === "blocked" ? verdict : describeCrash(worker, event)) }, workedMs, instant);
}

function exit(state: SupervisorState, exitCode: number, said: readonly SupervisorAction[] = []): Decision {
  return { state: { ...state, isStopping: true }, actions: [...said, { type: "exit", exitCode }] };
}

function afterRecycling(state: SupervisorState, { pid }: Worker, { how, reason }: Verdict, workedMs: number, instant: Instant): Decision {
  // One that was kept from being recycled for so long ends just then, if its limit is below what it needs.
  const isGrown = workedMs > Math.max(healthyMs, 2 * recycleAfterMs(state.recyclesInRow));
  const recyclesInRow = isGrown ? 1 : state.recyclesInRow + 1;
  const unrecorded = rememberEnd(state.unrecorded, { how, pid, atMs: instant.wallMs, reason, crashes: crashesLately(state, instant).length, news: null });
  return { state: { ...state, recyclesInRow, unrecorded }, actions: [{ type: "start", before: unrecorded }] };
}

function onFailed(state: SupervisorState, message: string, instant: Instant): Decision {
  if (!state.hasBeenOpen) return exit(state, 1, [{ type: "say", text: `No worker could be started: ${message}` }]);
  return afterCrash(state, { how: "refused", pid: null, reason: `could not be started: ${message}` }, 0, instant);
}

type Crash = Pick<WorkerEnd, "how" | "pid" | "reason">;

function afterCrash(state: SupervisorState, { how, pid, reason }: Crash, workedMs: number, instant: Instant): Decision {
  const { nowMs, wallMs } = instant;
  const lately = crashesLately(state, instant);
  const crashedAtMs = [...lately, nowMs];
  // An hour without a crash ends a row of them, however slowly they follow one another.
  const hadToldMany = lately.length > 0 && state.hasToldMany;
  const hasToldMany = hadToldMany || crashedAtMs.length >= manyCrashes;
  const news = lately.length === 0 ? "first" : hasToldMany && !hadToldMany ? "many" : null;
  const crashesInRow = workedMs >= healthyMs ? 1 : state.crashesInRow + 1;
  const delayMs = crashesInRow === 1 ? 0 : doubled(restartMs, crashesInRow - 2, restartMsMax);
  const unrecorded = rememberEnd(state.unrecorded, { how, pid, atMs: wallMs, reason, crashes: crashedAtMs.length, news });
  const when = delayMs === 0 ? "at once" : `in ${formatDuration(delayMs)}`;
  const often = crashedAtMs.length < manyCrashes ? "" : ` That was the ${crashedAtMs.length}th time within an hour: it does not mend itself. It goes on being started, every ${formatDuration(restartMsMax)}.`;
  const next = { ...state, crashedAtMs, hasToldMany, crashesInRow, unrecorded, restartAtMs: delayMs === 0 ? null : nowMs + delayMs };
  const hint = how === "killed" && reason.endsWith("SIGKILL") ? " (the system does that when memory runs out)" : "";
  const say: SupervisorAction = { type: "say", text: `The worker${pid === null ? "" : ` (process ${pid})`} ${reason}${hint}. It is started again ${when}; what was finished is kept.${often}` };
  return { state: next, actions: delayMs === 0 ? [say, { type: "start", before: unrecorded }] : [say] };
}

function describeCrash({ end }: Worker, { exitCode, signal }: Ended): Pick<WorkerEnd, "how" | "reason"> {
  if (end !== null) return { how: "refused", reason: `ended with exit code ${exitCode ?? "unknown"}, for a reason that may pass` };
  if (signal === null) return { how: "crashed", reason: `ended by itself with exit code ${exitCode ?? "unknown"}` };
  return { how: "killed", reason: `was killed by ${signal}` };
}

function doubled(baseMs: number, times: number, maxMs: number): number {
  return Math.min(maxMs, baseMs * 2 ** times);
}
