import { sleep, type Clock } from "../../base/clock.ts";
import type { Json } from "../../base/json.ts";
import { isPassing } from "../../db/postgres-failure.ts";
import { describeStep, type StepIdentity } from "../../record/step.ts";
import type { NewTask } from "../../record/task.ts";
import { isFact, lateWrites } from "../../record/write.ts";
import { boundedJson, boundedStepEnd, failedStep } from "../bounded-json.ts";
import { gateBody, letThrough } from "../child-gate.ts";
import type { ChildGate, StepBody, StepEnd, Transaction, WaitSpec } from "../engine.ts";
import type { EndedStep } from "../journaled-step.ts";
import type { EngineLimits } from "../limits.ts";
import type { Operation, Request } from "../operation.ts";
import { calledForgotten, isEngineClosed, selfWait } from "../refusal.ts";
import type { Bodies } from "./bodies.ts";
import { noteDue, type Change } from "./change.ts";
import { stored, type Ended, type Envelope } from "./envelope.ts";
import { appendCurrent, getStep } from "./journal.ts";
import { currentTask, stateOf, type AttemptIds } from "./attempt-state.ts";
import { startEach, startTask } from "./start-task.ts";
import { asStored, textOf } from "./step-text.ts";
import { clearRecoveriesWithoutProgress, getTask, getTaskOfRun, lockTask } from "./tasks.ts";
import { runUserTransaction } from "./user-transaction.ts";
import { insertWait, takeOverWait, takeSignal, type StoredWait } from "./waits.ts";
import type { Writer } from "./writer.ts";

/** What performing the steps of one attempt takes. */
export interface StepScope extends AttemptIds {
  readonly writer: Writer;
  readonly clock: Clock;
  readonly limits: EngineLimits;
  readonly queueMax: (agent: string) => number;
  /** The run whose id begins the idempotency keys. */
  readonly keyRunId: string;
  /** When a run that was forked from another was begun; nothing that it waits for counts from before. 0 for others. */
  readonly begunAtMs: number;
  /** True when the task was in a crash and completed nothing since. */
  readonly isSuspect: boolean;
  /** 1, and one more for each crash that interrupted the run. */
  readonly stepAttempt: number;
  readonly signal: AbortSignal;
  /** True of a run that registered what undoes it: who undoes it finds in the tables what it did, whenever it ends. */
  readonly undo: { isRegistered: boolean };
  /** What executes of its bodies. */
  readonly bodies: Bodies;
  /** True when the run left memory: what a step comes to now is late. */
  readonly isOver: () => boolean;
}

const gone: Envelope = { type: "gone" };
const superseded: Envelope = { type: "superseded" };
/** Between two tries of a body that PostgreSQL kept from acting. */
const bodyRetryMs = 1_000;
/** More than Restate makes of one. */
const attemptsPerActivation = 1_000_000;

function lost(task: "over" | "superseded"): Envelope {
  return task === "over" ? gone : superseded;
}

/** Executes a step. One that writes facts only is Restate's alone; anything that may refuse, or that others see, is a transaction with the step's outcome. */
export async function executeStep(scope: StepScope, operation: Operation, body: StepBody): Promise<Envelope> {
  const before = scope.attempt === 1 ? null : await outcomeBefore(scope, operation);
  if (before !== null) return before;
  const startedAtMs = scope.clock.now();
  const end = boundedStepEnd(await executeBody(scope, operation, body), operation.identity, scope.limits.valueBytesMax);
  const { writes = [], starts = [] } = end;
  const isRestates = starts.length === 0 && writes.every(isFact) && !scope.undo.isRegistered;
  if (isRestates && !scope.isOver() && !wasCutOff(scope, end)) return endedWith(endedStep(scope, operation, startedAtMs, end), writes);
  return await orFailed(scope, operation, startedAtMs, (change) => commitEnd(scope, change, { operation, startedAtMs, end }));
}

/** Does this in one transaction. What refuses it, a guard or PostgreSQL, is what the step comes to: nothing else of it is kept. */
async function orFailed(scope: StepScope, operation: Operation, startedAtMs: number, act: (change: Change) => Promise<Envelope>): Promise<Envelope> {
  try {
    return await scope.writer.persist(act, { patience: "task" });
  } catch (error) {
    if (isEngineClosed(error)) throw error;
    return await scope.writer.persist((change) => commitEnd(scope, change, { operation, startedAtMs, end: failedStep(error) }), { patience: "last" });
  }
}

/** What an earlier attempt of this activation stored; the first attempt need not look. */
async function outcomeBefore({ writer, runSerial }: StepScope, { identity }: Operation): Promise<Envelope | null> {
  const step = await writer.read((db) => getStep(db, runSerial, identity));
  return step === null ? null : stored(step);
}

/** What the body came to. When PostgreSQL kept it from what it has to know before it acts, it has not come to anything: it is executed again. */
async function executeBody(scope: StepScope, { identity, number }: Operation, body: StepBody): Promise<StepEnd> {
  const { clock, keyRunId, stepAttempt, signal, bodies } = scope;
  const fence = scope.activation * attemptsPerActivation + scope.attempt;
  const idempotencyKey = `${keyRunId}/${identity.kind}/${identity.name}/${identity.occurrence}`;
  for (;;) {
    bodies.begin();
    try {
      return await body({ identity, number, attempt: stepAttempt, fence, idempotencyKey, signal });
    } catch (error) {
      if (!isPassing(error)) return failedStep(error);
      await sleep(clock, bodyRetryMs, signal).catch(() => undefined); // It is to stop.
      if (signal.aborted) return failedStep(error);
    } finally {
      bodies.end();
    }
  }
}

/** User SQL in the transaction that also stores the step's outcome. Whether it is stored already is looked for in that same transaction: the answer to an earlier COMMIT may have been lost. */
export async function executeTransaction(scope: StepScope, operation: Operation, body: (tx: Transaction) => Promise<Json>): Promise<Envelope> {
  const startedAtMs = scope.clock.now();
  const check = (value: Json): Json => boundedJson(value, `The result of ${describeStep(operation.identity)}`, scope.limits.valueBytesMax);
  return await orFailed(scope, operation, startedAtMs, async (change) => {
    const known = await knownStep(scope, change, operation.identity);
    if (known !== null) return known;
    const outcome = await runUserTransaction(change.db, body, check);
    return await commitEnd(scope, change, { operation, startedAtMs, end: { outcome } });
  });
}

/** Asks for a durable wait, which `awakeable` tells the end of while the run is in memory. */
export async function beginWait(scope: StepScope, operation: Operation, spec: WaitSpec, asked: { readonly requestedAtMs: number; readonly awakeable: string }): Promise<Envelope> {
  const dueAtMs = spec.timeoutMs === undefined ? null : Math.max(asked.requestedAtMs, scope.begunAtMs) + Math.max(0, Math.ceil(spec.timeoutMs));
  return await orFailed(scope, operation, scope.clock.now(), async (change) => {
    const known = await knownWait(scope, change, operation, asked.awakeable);
    if (known !== null) return known;
    const arrived = spec.signal === undefined ? null : await takeSignal(change.db, scope.runSerial, spec.signal);
    if (arrived !== null) return await commitEnd(scope, change, { operation, startedAtMs: change.atMs, end: { outcome: { ok: true, value: { by: "signal", payload: arrived.payload } } } });
    await insertWait(change.db, { ...waitOf(scope, operation, change), reason: spec.reason, dueAtMs, signal: spec.signal ?? null, awakeable: asked.awakeable });
    if (dueAtMs !== null) noteDue(change, dueAtMs);
    return { type: "waiting", identity: operation.identity, awakeable: asked.awakeable };
  });
}

/** Starts a task, if its gate lets it through, and waits for its end. */
export async function beginChild(scope: StepScope, operation: Operation, { task, gate }: Extract<Request, { readonly type: "child" }>, awakeable: string): Promise<Envelope> {
  const before = gate === null ? null : await outcomeBefore(scope, operation);
  if (before !== null) return before;
  const startedAtMs = scope.clock.now();
  const held = gate === null ? letThrough : await askBefore(scope, operation, task, gate);
  if (held !== letThrough) return await orFailed(scope, operation, startedAtMs, (change) => commitEnd(scope, change, { operation, startedAtMs, end: held }));
  const begin = async (change: Change): Promise<Envelope> => {
    const known = await knownWait(scope, change, operation, awakeable);
    if (known !== null) return known;
    const { taskId, created } = await startTask(change, task, { queueMax: scope.queueMax, parentRunId: scope.runId });
    // Locked: whoever is ending it may have looked already for those who wait.
    const called = created ? null : await lockTask(change.db, taskId);
    if (called === null && !created) throw calledForgotten(taskId);
    const end = called?.end ?? null;
    if (end !== null) return await commitEnd(scope, change, { operation, startedAtMs: change.atMs, end: { outcome: { ok: true, value: { ...end, taskId } as unknown as Json } } });
    await refuseSelfWait(change, scope.runId, taskId);
    await insertWait(change.db, { ...waitOf(scope, operation, change), reason: "child", childTaskId: taskId, awakeable });
    return { type: "waiting", identity: operation.identity, awakeable };
  };
  const envelope = await orFailed(scope, operation, scope.clock.now(), begin);
  if (envelope.type === "gone" || (envelope.type === "ended" && !envelope.step.outcome.ok)) gate?.giveBack();
  return envelope;
}

/** A run that is called again asks again for what it waits for: of a child that exists no gate is asked. */
async function askBefore(scope: StepScope, operation: Operation, task: NewTask, gate: ChildGate): Promise<StepEnd> {
  const isMade = await scope.writer.read(async (db) => (await getTask(db, task.id)) !== null);
  return isMade ? letThrough : await executeBody(scope, operation, gateBody(gate));
}

/** What a step came to that was stored before, or that nobody executes it any more; the task is locked. */
async function knownStep(scope: StepScope, change: Change, identity: StepIdentity): Promise<Envelope | null> {
  // Sent together; PostgreSQL looks for the step when the task is locked.
  const [task, step] = await Promise.all([currentTask(change, scope), getStep(change.db, scope.runSerial, identity)]);
  if (typeof task === "string") return lost(task);
  return step === null ? null : stored(step);
}

/** What is known of a wait that was asked for before, in this activation or an earlier one; the task is locked. */
async function knownWait(scope: StepScope, change: Change, { identity }: Operation, awakeable: string): Promise<Envelope | null> {
  const known = await knownStep(scope, change, identity);
  if (known !== null) return known;
  return (await takeOverWait(change.db, scope.runSerial, identity, awakeable)) ? { type: "waiting", identity, awakeable } : null;
}

/** @throws {TASK_STATE} when the task waits, over any number of calls, for the run that asks. */
async function refuseSelfWait(change: Change, runId: string, childTaskId: string): Promise<void> {
  for (let ancestor = await getTaskOfRun(change.db, runId); ancestor !== null; ancestor = ancestor.parentRunId === null ? null : await getTaskOfRun(change.db, ancestor.parentRunId)) {
    if (ancestor.id === childTaskId) throw selfWait(childTaskId);
  }
}

function waitOf(scope: StepScope, { identity, number }: Operation, change: Change): StoredWait {
  return { ...identity, run: scope.runSerial, number, reason: "timer", sinceAtMs: change.atMs, dueAtMs: null, signal: null, childTaskId: null, awakeable: null };
}

interface EndedBody {
  readonly operation: Operation;
  readonly startedAtMs: number;
  readonly end: StepEnd;
}

/**
 * The one transaction of a step's end. When the task no longer executes this attempt, the result is late: what it did is recorded, and nothing of it is applied.
 * What a body failed of that was told to stop is not what its step comes to.
 */
async function commitEnd(scope: StepScope, change: Change, { operation, startedAtMs, end }: EndedBody): Promise<Envelope> {
  const { starts = [], writes = [] } = end;
  // It was told to stop before it failed: nothing is stored of it, whoever has the task.
  const isStopped = wasCutOff(scope, end);
  const { state, step } = isStopped
    ? { state: stateOf(await lockTask(change.db, scope.taskId), scope), step: null }
    : await appendCurrent(change.db, scope, endedStep(scope, operation, startedAtMs, end));
  if (state !== "current" || isStopped) {
    await change.write(lateWrites(writes, `${scope.activation}.${scope.attempt}`));
    return state === "current" ? gone : lost(state);
  }
  if (step === null) {
    const before = await getStep(change.db, scope.runSerial, operation.identity);
    return before === null ? gone : stored(before);
  }
  await startEach(change, starts, { queueMax: scope.queueMax });
  await change.write(writes);
  if (scope.isSuspect && (await clearRecoveriesWithoutProgress(change.db, scope.taskSerial))) change.effects.hasCleared = true;
  return stored(step);
}

/** True of what a body failed of that was told to stop: the next attempt finds out by itself. */
function wasCutOff({ signal }: StepScope, { outcome }: StepEnd): boolean {
  return signal.aborted && !outcome.ok;
}

function endedStep({ clock, stepAttempt }: StepScope, { identity, number, request }: Operation, startedAtMs: number, { outcome }: StepEnd): EndedStep {
  const { kind, name, occurrence } = identity;
  const attempt = request.type === "wait" || request.type === "child" ? 1 : stepAttempt;
  return { kind, name, occurrence, number, attempt, startedAtMs, completedAtMs: clock.now(), outcome };
}

function endedWith(step: EndedStep, writes: Ended["writes"]): Ended {
  const text = textOf(step);
  return { type: "ended", step: asStored(step, text), text, writes, isStored: false };
}
