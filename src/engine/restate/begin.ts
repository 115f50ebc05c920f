import { LonghaulError } from "../../base/error.ts";
import { codeVersionOf } from "../code-version.ts";
import type { EngineAgent } from "../engine.ts";
import { keyOf, numbersOf } from "../journaled-step.ts";
import type { LoadedRun } from "../run-host.ts";
import { unreadable } from "../stuck-run.ts";
import { computeRecovered, executedMsSince, isSuspect } from "../task-rules.ts";
import { AttemptLost } from "./attempt-lost.ts";
import type { Change } from "./change.ts";
import type { Activation } from "./claim.ts";
import { stored } from "./envelope.ts";
import { noteCrash } from "./exhausted.ts";
import { ToldSteps } from "./facts.ts";
import { hasStepsOf, listJournal, listSeed, listSteps } from "./journal.ts";
import { currentTask, type AttemptIds } from "./attempt-state.ts";
import { countRecovery, getRunsToBegin, type RunToBegin } from "./runs.ts";
import { beginFirst, isFirstSuspect, lockTaskOfRun, saveTasks, type StoredTask } from "./tasks.ts";
import type { Joint } from "./together.ts";
import { endTask, moveTask } from "./transition.ts";
import { listWaits } from "./waits.ts";
import type { Writer } from "./writer.ts";

/** A run that begins, or begins again after a crash of the process that had it. */
export interface BegunRun extends LoadedRun {
  readonly task: StoredTask;
  /** lh_run.serial. */
  readonly runSerial: number;
  /** Crashes that interrupted this run. */
  readonly recoveries: number;
  /** How many steps of the journal code was told of before. */
  readonly told: number;
  /** True when the activation is that of other code: this code cannot make its calls. */
  readonly isOfOtherCode: boolean;
  /** True when an earlier attempt at this activation came to something: Restate's journal holds it, unless Restate has lost that. */
  readonly hasSteps: boolean;
}

/** One call of Restate to begin an attempt. */
export interface Beginning {
  /** Those of this process, by their names. */
  readonly agents: ReadonlyMap<string, EngineAgent>;
  /** Aborts when Restate has given up the call. */
  readonly called: AbortSignal;
  /** Tells this call from all others: when the answer to a commit is lost, it says whether this call has begun the attempt, or another one has meanwhile. */
  readonly call: string;
}

export interface FirstBeginning {
  readonly writer: Writer;
  readonly activation: Activation;
  readonly beginning: Beginning;
}

/** See `beginAttempt`. */
export const beginnings: Joint<FirstBeginning, BegunRun | null> = {
  together: beginTogether,
  alone: ({ writer, activation, beginning }) => writer.persist((change) => beginAttempt(change, activation, beginning)),
};

/**
 * Begins an attempt of an activation; what an earlier attempt still writes is refused from now on. A second one means that the first was cut off: that crash is counted.
 * Null when the task does not execute this activation: it ended, or was given up as one that crashes too often.
 * A call that Restate has given up is looked for under the lock: PostgreSQL may have been away for longer than Restate waited, and a beginning that comes after the one of
 * the next call would leave a run that nobody executes.
 */
async function beginAttempt(change: Change, { runId, activation }: Activation, beginning: Beginning): Promise<BegunRun | null> {
  const { agents, called, call } = beginning;
  const found = await lockTaskOfRun(change.db, runId);
  if (called.aborted) throw new Error(`Restate has given up this call of run ${runId}.`);
  if (found === null || found.status !== "running" || found.activation !== activation) return null;
  const agent = agents.get(found.agent);
  // Another worker may have it: Restate calls again, and nothing is counted.
  if (agent === undefined) throw new LonghaulError("AGENT_UNKNOWN", `This worker does not have the agent "${found.agent}" of task ${found.id}. Run the same team on every worker.`, { retry: "backoff" });
  const codeVersion = codeVersionOf(agent);
  const isOfOtherCode = found.attempt > 0 && found.codeVersion !== codeVersion;
  // Nor can the code that began it, when it is back: its calls are given nothing to do from now on.
  const attempt = { attempt: found.attempt + 1, codeVersion: isOfOtherCode ? null : codeVersion, claim: call };
  const task = found.claim === call ? found : await begin(change, found, attempt);
  if (task === null) return null;
  const toBegin = (await getRunsToBegin(change.db, [runId])).get(runId);
  if (toBegin === undefined) return null;
  const hasSteps = task.attempt > 1 && (await hasStepsOf(change.db, toBegin.run.serial, activation));
  return { ...(await begunOf(change, agent, task, toBegin)), isOfOtherCode, hasSteps };
}

/** Begins the first attempts of tasks that nobody has locked, that were in no crash and whose agents this process has. One that another call has begun is none of them. */
async function beginTogether(change: Change, firsts: readonly FirstBeginning[]): Promise<ReadonlyMap<FirstBeginning, BegunRun>> {
  const asked = new Map(firsts.filter(({ beginning }) => !beginning.called.aborted).map((each) => [`${each.activation.runId} ${each.activation.activation}`, each]));
  const agents = firsts[0]?.beginning.agents ?? new Map<string, EngineAgent>();
  const tasks = await beginFirst(change.db, [...asked.values()].map(({ activation, beginning }) => ({ ...activation, call: beginning.call })), [...agents.values()].map((agent) => ({ name: agent.name, codeVersion: codeVersionOf(agent) })));
  const runs = await getRunsToBegin(change.db, tasks.map(({ runId }) => String(runId)));
  const begun = new Map<FirstBeginning, BegunRun>();
  for (const task of tasks) {
    const [first, toBegin, agent] = [asked.get(`${task.runId} ${task.activation}`), runs.get(String(task.runId)), agents.get(task.agent)];
    if (first === undefined || toBegin === undefined || agent === undefined) continue;
    begun.set(first, { ...(await begunOf(change, agent, task, toBegin)), isOfOtherCode: false, hasSteps: false });
  }
  return begun;
}

async function begunOf(change: Change, agent: EngineAgent, task: StoredTask, { run, hasSteps, hasWaits, hasSeed }: RunToBegin): Promise<Omit<BegunRun, "isOfOtherCode" | "hasSteps">> {
  const { steps, told } = hasSteps ? await listJournal(change.db, run.serial, task.activation) : { steps: [], told: 0 };
  return {
    task, told,
    runId: run.id,
    journal: steps,
    numbers: numbersOf(steps, hasWaits ? await listWaits(change.db, run.serial) : []),
    runSerial: run.serial,
    keyRunId: run.keyRunId,
    randomRunId: run.randomRunId,
    startedAtMs: run.startedAtMs,
    begunAtMs: run.begunAtMs,
    recoveries: run.recoveries,
    mismatch: unreadable(run, agent),
    seed: hasSeed ? await listSeed(change.db, task.id) : new Map(),
  };
}

/** What tells this attempt from others. */
export function idsOf({ task, runId, runSerial }: BegunRun): AttemptIds {
  return { taskId: task.id, taskSerial: task.serial, runId, runSerial, activation: task.activation, attempt: task.attempt };
}

/** What code was told before this activation, and what it is told first in it. */
export function toldBefore({ task, runSerial, journal, told: count }: BegunRun): ToldSteps {
  const told = new ToldSteps({ run: runSerial, activation: task.activation, suspect: task.recoveriesWithoutProgress > 0 ? task.serial : null, toldBefore: count });
  for (const step of journal.slice(count)) told.add(keyOf(step), stored(step));
  return told;
}

type AttemptFields = Pick<StoredTask, "attempt" | "codeVersion" | "claim">;

/**
 * What a crash interrupts from now on is this attempt, if it is its turn: who takes turns does so one after the other, so that no two see that nobody has it. False when it
 * is not. Rejects when it is over. @throws {ENGINE_UNREACHABLE} when the task does not execute it any more.
 */
export async function takeTurn(change: Change, ids: AttemptIds, over: AbortSignal): Promise<boolean> {
  await change.db.run("SELECT pg_advisory_xact_lock(hashtext('longhaul suspects'))");
  if (!(await isFirstSuspect(change.db, ids.taskSerial, change.limits.recoveriesIsolatedAbove))) return false;
  const task = await currentTask(change, ids);
  over.throwIfAborted();
  if (typeof task === "string") throw new AttemptLost(ids.runId);
  await saveTasks(change.db, [{ ...task, suspended: false }]);
  return true;
}

/** An attempt that is to wait for its turn is begun as suspended: no crash is counted of it. */
async function begin(change: Change, found: StoredTask, attempt: AttemptFields): Promise<StoredTask | null> {
  return found.attempt === 0 || found.suspended ? await begun(change, found, attempt) : await begunAgain(change, found, attempt);
}

async function begun(change: Change, task: StoredTask, attempt: AttemptFields): Promise<StoredTask> {
  const next: StoredTask = { ...task, ...attempt, suspended: isSuspect(task, change.limits) };
  await saveTasks(change.db, [next]);
  return next;
}

async function begunAgain(change: Change, task: StoredTask, attempt: AttemptFields): Promise<StoredTask | null> {
  // Whether its process died of exhausted memory is known to the one that starts after it, and is counted by that: before now, or later.
  const { counted, crashes, end } = computeRecovered(task, change.limits, false);
  await noteCrash(change.db, task.id, task.claim);
  if (task.runId !== null) await countRecovery(change.db, task.runId);
  if (end !== null) {
    await endTask(change, counted, end);
    return null;
  }
  // It kept its slot, so nobody is asked for it; the store and the observer are told as of any recovery.
  const executedMs = executedMsSince(task.runId === null ? [] : await listSteps(change.db, task.runId), task.statusSinceMs);
  // An attempt that Restate took out of memory has counted its own time: what was executed before it is not counted twice.
  const activeMs = task.attempt === 1 ? task.activeMs + executedMs : Math.max(task.activeMs, executedMs);
  const queued = await moveTask(change, counted, { status: "queued", activeMs }, { crashes });
  return await moveTask(change, queued, { status: "running", ...attempt, suspended: isSuspect(queued, change.limits) });
}
