import type { Json } from "../../base/json.ts";
import type { LazyAbort } from "../../base/lazy-abort.ts";
import { sleep, type Clock } from "../../base/clock.ts";
import { describeStep, type StepIdentity } from "../../record/step.ts";
import type { NewTask } from "../../record/task.ts";
import { lateWrites } from "../../record/write.ts";
import { boundedJson, boundedStepEnd, failedStep } from "../bounded-json.ts";
import { gateBody, letThrough } from "../child-gate.ts";
import type { ChildGate, StepBody, StepEnd, StepExecution, Transaction, WaitSpec } from "../engine.ts";
import type { EndedStep, SeededOutcome } from "../journaled-step.ts";
import type { EngineLimits } from "../limits.ts";
import type { Operation, Performed } from "../operation.ts";
import { calledForgotten, selfWait } from "../refusal.ts";
import { noteDue, type Change } from "./change.ts";
import { noteStopped } from "./compensate.ts";
import { fileRetryMs, isFileFailure } from "../../db/file-failure.ts";
import { appendStepWhileRunning } from "./journal.ts";
import { readOwner } from "./owner-state.ts";
import type { LeavingRun } from "./run-exits.ts";
import { startTask } from "./start-task.ts";
import { getTask, getTaskOfRun, isRunning } from "./tasks.ts";
import { noteCompleted } from "./transition.ts";
import { runUserTransaction } from "./user-transaction.ts";
import { insertWait, takeSignal, type StoredWait } from "./waits.ts";
import { isFenced, isFinal, type Writer } from "./writer.ts";

/** What performing the steps of one run takes. */
export interface PerformScope extends LeavingRun {
  readonly writer: Writer;
  readonly clock: Clock;
  readonly limits: EngineLimits;
  readonly queueMax: (agent: string) => number;
  /** The run whose id begins the idempotency keys. */
  readonly keyRunId: string;
  /** Nothing that the run waits for counts from before. */
  readonly begunAtMs: number;
  /** Crashes without a completed step between, at the time the run was claimed. */
  readonly recoveriesWithoutProgress: number;
  /** 1, and one more for each crash that interrupted the run. */
  readonly attempt: number;
  /** Aborts when what executes is to stop. */
  readonly abort: Pick<LazyAbort, "signal">;
}

/** Does what durable code asked for, up to and including the commit. */
export function perform(scope: PerformScope, operation: Operation, seeded: SeededOutcome | undefined): Promise<Performed> {
  const { request } = operation;
  if (seeded !== undefined) return performSeeded(scope, operation, seeded);
  switch (request.type) {
    case "step":
      return performStep(scope, operation, request.body);
    case "transaction":
      return performTransaction(scope, operation, request.body);
    case "wait":
      return performWait(scope, operation, request.spec, request.requestedAtMs);
    case "child":
      return performChild(scope, operation, request.task, request.gate);
  }
}

/** A seeded outcome is journaled as attempt 0, with the times that it had: nothing executed. */
async function performSeeded(scope: PerformScope, operation: Operation, { outcome, startedAtMs, completedAtMs }: SeededOutcome): Promise<Performed> {
  const begun = { ...operation, startedAtMs: startedAtMs ?? scope.clock.now(), attempt: 0, ...(completedAtMs === null ? {} : { completedAtMs }) };
  await scope.writer.persist((change) => commitEnd(scope, change, begun, { outcome }));
  return "ended";
}

async function performStep(scope: PerformScope, operation: Operation, body: StepBody): Promise<Performed> {
  const { late, bodies } = scope.writer;
  const begun = { ...operation, startedAtMs: scope.clock.now(), attempt: scope.attempt };
  late.begin();
  bodies.begin(scope.runId);
  const end = await executeBody(scope, operation, body);
  bodies.end(scope.runId);
  const bounded = boundedStepEnd(end, operation.identity, scope.limits.valueBytesMax);
  try {
    await scope.writer.persist((change) => commitEnd(scope, change, begun, bounded));
  } catch (error) {
    if (isFenced(error)) late.record(bounded.writes ?? [], error);
    if (isFinal(error)) throw error;
    // A guard refused what the step wanted to write: nothing of it is kept, and the refusal is the step's end.
    await scope.writer.persist((change) => commitEnd(scope, change, begun, failedStep(error)));
  } finally {
    late.end();
  }
  return "ended";
}

/**
 * What the body came to; never rejects. When the file refused what it wanted to know before it acts (an intent, a reservation), it has not come to anything: it is
 * executed again, as after a crash, until the file takes it.
 */
async function executeBody(scope: PerformScope, { identity, number }: Operation, body: StepBody): Promise<StepEnd> {
  const execution = new Execution(scope, identity, number);
  for (;;) {
    try {
      return await body(execution);
    } catch (error) {
      if (!isFileFailure(error)) return failedStep(error);
      await sleep(scope.clock, fileRetryMs);
      if (execution.signal.aborted) return failedStep(error);
    }
  }
}

/** What few bodies ask for is made when they do: a signal that nobody asked for costs nothing, and need not be aborted. */
class Execution implements StepExecution {
  readonly identity: StepIdentity;
  readonly number: number;
  readonly attempt: number;
  readonly fence: number;
  readonly #scope: PerformScope;

  constructor(scope: PerformScope, identity: StepIdentity, number: number) {
    this.#scope = scope;
    this.identity = identity;
    this.number = number;
    this.attempt = scope.attempt;
    this.fence = scope.attempt;
  }

  get idempotencyKey(): string {
    const { kind, name, occurrence } = this.identity;
    return `${this.#scope.keyRunId}/${kind}/${name}/${occurrence}`;
  }

  get signal(): AbortSignal {
    return this.#scope.abort.signal;
  }
}

async function performTransaction(scope: PerformScope, operation: Operation, body: (tx: Transaction) => Promise<Json>): Promise<Performed> {
  const begun = { ...operation, startedAtMs: scope.clock.now(), attempt: scope.attempt };
  const check = (value: Json): Json => boundedJson(value, `The result of ${describeStep(operation.identity)}`, scope.limits.valueBytesMax);
  await scope.writer.persist(async (change) => {
    if (!isRunning(change.db, scope)) return;
    const outcome = await runUserTransaction(change.db, body, check);
    commitEnd(scope, change, begun, { outcome });
  }, { mayRepeat: false });
  return "ended";
}

async function performWait(scope: PerformScope, operation: Operation, spec: WaitSpec, requestedAtMs: number): Promise<Performed> {
  const dueAtMs = spec.timeoutMs === undefined ? null : Math.max(requestedAtMs, scope.begunAtMs) + Math.max(0, Math.ceil(spec.timeoutMs));
  return await scope.writer.persist((change) => {
    if (!isRunning(change.db, scope)) return "ended";
    const arrived = spec.signal === undefined ? null : takeSignal(change.db, scope.runSerial, spec.signal);
    if (arrived !== null) {
      commitEnd(scope, change, { ...operation, startedAtMs: change.atMs, attempt: 1 }, { outcome: { ok: true, value: { by: "signal", payload: arrived.payload } } });
      return "ended";
    }
    insertWait(change.db, { ...waitOf(scope, operation, change), reason: spec.reason, dueAtMs, signal: spec.signal ?? null });
    if (dueAtMs !== null) noteDue(change, dueAtMs);
    return "waiting";
  });
}

async function performChild(scope: PerformScope, operation: Operation, task: NewTask, gate: ChildGate | null): Promise<Performed> {
  const begun = { ...operation, startedAtMs: scope.clock.now(), attempt: 1 };
  const held = gate === null ? letThrough : await askBefore(scope, operation, task, gate);
  if (held !== letThrough) {
    await scope.writer.persist((change) => commitEnd(scope, change, begun, held));
    return "ended";
  }
  const begin = (change: Change): Performed => {
    if (!isRunning(change.db, scope)) {
      gate?.giveBack();
      return "ended";
    }
    const { taskId } = startTask(change, task, { queueMax: scope.queueMax, parentRunId: scope.runId });
    const called = getTask(change.db, taskId);
    if (called === null) throw calledForgotten(taskId);
    const { end } = called;
    if (end !== null) {
      commitEnd(scope, change, begun, { outcome: { ok: true, value: { ...end, taskId } as unknown as Json } });
      return "ended";
    }
    refuseSelfWait(change, scope.runId, taskId);
    insertWait(change.db, { ...waitOf(scope, operation, change), reason: "child", childTaskId: taskId });
    return "waiting";
  };
  try {
    return await scope.writer.persist(begin);
  } catch (error) {
    if (isFinal(error)) throw error;
    gate?.giveBack();
    await scope.writer.persist((change) => commitEnd(scope, change, begun, failedStep(error)));
    return "ended";
  }
}

async function askBefore(scope: PerformScope, operation: Operation, task: NewTask, gate: ChildGate): Promise<StepEnd> {
  const isMade = await scope.writer.read((db) => getTask(db, task.id) !== null);
  return isMade ? letThrough : await executeBody(scope, operation, gateBody(gate));
}

/** @throws {TASK_STATE} when the task waits, over any number of calls, for the run that asks. */
function refuseSelfWait(change: Change, runId: string, childTaskId: string): void {
  for (let ancestor = getTaskOfRun(change.db, runId); ancestor !== null; ancestor = ancestor.parentRunId === null ? null : getTaskOfRun(change.db, ancestor.parentRunId)) {
    if (ancestor.id === childTaskId) throw selfWait(childTaskId);
  }
}

function waitOf(scope: PerformScope, operation: Operation, change: Change): StoredWait {
  return { ...operation.identity, run: scope.runSerial, number: operation.number, reason: "timer", sinceAtMs: change.atMs, dueAtMs: null, signal: null, childTaskId: null };
}

type BegunStep = Pick<Operation, "identity" | "number"> & Pick<EndedStep, "startedAtMs" | "attempt"> & Partial<Pick<EndedStep, "completedAtMs">>;

/** The one commit of a step's end. When the task no longer executes this run, the result is late: what it did is recorded, and nothing of it is applied. */
function commitEnd(scope: PerformScope, change: Change, begun: BegunStep, end: StepEnd): void {
  const { identity, number, startedAtMs, attempt, completedAtMs = change.atMs } = begun;
  const { kind, name, occurrence } = identity;
  const step = appendStepWhileRunning(change.db, scope, { kind, name, occurrence, number, startedAtMs, attempt, completedAtMs, outcome: end.outcome });
  if (step === null) {
    // In the time of one owner, a run has one attempt of a step.
    change.write(lateWrites(end.writes ?? [], String(readOwner(change.db)?.epoch)));
    noteStopped(change, scope.runId);
    return;
  }
  noteCompleted(change, { serial: scope.taskSerial, recoveriesWithoutProgress: scope.recoveriesWithoutProgress }, scope.runId, step);
  for (const task of end.starts ?? []) startTask(change, task, { queueMax: scope.queueMax });
  change.write(end.writes ?? []);
}
