import type { Clock } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";
import { compensationIdOf, isCompensation, refuseRestart } from "../engine/compensation.ts";
import type { OperableEngine } from "../engine/engine.ts";
import { toLogRecord } from "../record/log-record.ts";
import type { Run } from "../record/run.ts";
import { type CompletedStep, describeStep } from "../record/step.ts";
import { isEnded, type Task } from "../record/task.ts";
import type { Write } from "../record/write.ts";
import { decisionOn, isQuestion } from "../run/question.ts";
import type { Manifest } from "./manifest.ts";

/** What came of a fork. */
export interface Forked {
  readonly task: Task;
  /** True for a task of its own; false when the task itself goes on with a new run. */
  readonly created: boolean;
  /** The run whose steps are served. */
  readonly ofRun: string;
  /** How many. */
  readonly served: number;
}

/** What came of a skip. */
export interface Skipped {
  readonly task: Task;
  /** The step that the journal held next, and what the code asked for instead. */
  readonly expected: string;
  readonly came: string;
}

export interface NewRunOptions {
  readonly engine: OperableEngine;
  readonly clock: Clock;
  readonly ids: (prefix: string) => string;
  readonly manifest: () => Manifest;
}

/** A call about which a person was asked, what was decided about it and the call that followed belong together: with half of them, a person would be asked what was answered. */
function assertWholeCalls(steps: readonly CompletedStep[], from: number): void {
  for (const asked of steps) {
    if (!isQuestion(asked)) continue;
    const next = steps.find(({ kind, name, occurrence }) => kind === asked.kind && name === asked.name && occurrence === asked.occurrence + 1);
    const end = Math.max(decisionOn(steps, asked)?.number ?? 0, next?.number ?? 0);
    if (from <= asked.number || from > end) continue;
    throw new LonghaulError("OPTION_INVALID", `from is ${from}, between ${describeStep(asked)} (step ${asked.number}), about which a person was asked, and what was decided about it. Use ${asked.number} to make the call again, or ${end + 1} to keep what came of it.`);
  }
}

/** What a compensation undid, or is to undo, is not there any more: a run that is served it would build on nothing. */
async function assertNotUndone(engine: OperableEngine, runId: string, steps: readonly CompletedStep[], from: number): Promise<void> {
  const registrations = steps.filter(({ kind, number }) => kind === "compensate" && number < from).toSorted((a, b) => a.number - b.number);
  const task = registrations.length === 0 ? null : await engine.taskOfRun(runId);
  if (task === null) return;
  const compensation = await findCompensation(engine, await engine.runs(task.id), runId);
  if (compensation === null) return;
  if (compensation.status !== "done") refuseRestart(task.id, { why: isEnded(compensation.status) ? "left" : "undoing", compensationId: compensation.id });
  for (const registration of registrations) {
    if (registration.attempt === 0 && !(await isOwn(engine, registration, task))) continue;
    const { name, number } = registration;
    throw new LonghaulError("OPTION_INVALID", `from is ${from}, behind ctx.compensate("${name}") (step ${number}): task ${compensation.id} undoes what run ${runId} did from there on. Use at most ${number}, and that is done again.`);
  }
}

/** The task that undoes a run, or a later one that went on with it by a skip. */
async function findCompensation(engine: OperableEngine, runs: readonly Run[], runId: string): Promise<Task | null> {
  const compensation = await engine.get(compensationIdOf(runId));
  if (compensation !== null) return compensation;
  for (const later of runs) {
    const found = later.fromRunId === runId ? await findCompensation(engine, runs, later.id) : null;
    if (found !== null) return found;
  }
  return null;
}

/** What a fork was served of another task's run is not undone with it. Its value is the idempotency key, which begins with the run that registered it. */
async function isOwn(engine: OperableEngine, { outcome }: CompletedStep, task: Task): Promise<boolean> {
  const key = outcome.ok ? String(outcome.value) : "";
  return (await engine.taskOfRun(key.slice(0, key.indexOf("/"))))?.id === task.id;
}

/**
 * Begins a new run whose first steps are those of another: steps numbered below `from` are served, `from` is the first that executes again. A task that is dead,
 * canceled or parked goes on with it; of one that is done a new task is begun, with the same input and no key. `id` names a task, for its last run, or any run.
 * @throws {TASK_UNKNOWN, TASK_STATE, OPTION_INVALID, AGENT_UNKNOWN, QUEUE_FULL}
 */
export async function forkRun(options: NewRunOptions, id: string, from: number): Promise<Forked> {
  const { engine, clock, ids, manifest } = options;
  const { task, runId } = await findRun(engine, id);
  assertForkable(task);
  const steps = await engine.steps(runId);
  const last = Math.max(0, ...steps.map(({ number }) => number));
  if (!Number.isInteger(from) || from < 1 || from > last + 1) {
    throw new LonghaulError("OPTION_INVALID", `from is ${from}. Run ${runId} has completed steps up to ${last}: use a whole number from 1, which begins at its first step, to ${last + 1}. See them with \`longhaul show ${runId}\`.`);
  }
  assertWholeCalls(steps, from);
  await assertNotUndone(engine, runId, steps, from);
  const served = steps.filter(({ number }) => number < from).length;
  const prefix = { runId, below: from };
  const record = (taskId: string): Write =>
    controlRecord(options, task, { taskId, runId, result: "fork", reason: `forked from step ${from} of ${runId}: ${served === 1 ? "1 step is" : `${served} steps are`} served`, data: { ofTask: task.id, ofRun: runId, from, served } });
  if (task.status !== "done") return { task: await engine.restart(task.id, { prefix, writes: [record(task.id)] }), created: false, ofRun: runId, served };
  const worker = manifest().workers.find(({ name }) => name === task.agent);
  if (worker === undefined) throw new LonghaulError("AGENT_UNKNOWN", `The team has no agent or flow "${task.agent}" any more, so nobody would work on a fork of ${task.id}. It has: ${manifest().workers.map(({ name }) => name).join(", ")}.`);
  const nowMs = clock.now();
  const { agent, input, priority, depth, doubts } = task;
  const newTask = { id: ids("t"), agent, input, key: null, priority, notBeforeAtMs: 0, deadlineAtMs: nowMs + worker.deadlineMs, depth, source: `fork of ${task.id}`, doubts };
  await engine.start(newTask, { prefix, writes: [record(newTask.id)] });
  const started = await engine.get(newTask.id);
  return { task: started ?? task, created: true, ofRun: runId, served };
}

/**
 * Lets a task go on whose code no longer takes the steps that its journal holds. @throws {TASK_UNKNOWN, TASK_STATE}
 */
export async function skipStep(options: NewRunOptions, taskId: string): Promise<Skipped> {
  const { engine } = options;
  const task = await engine.get(taskId);
  const run = task?.runId === undefined || task.runId === null ? undefined : (await engine.runs(taskId)).at(-1);
  const { expected, came, expectedStep = null } = run?.mismatch?.details ?? {};
  const told = { expected: String(expected), came: String(came) };
  const reason = `skipped on: the journal held ${told.expected} next, the code asked for ${told.came}. What it asks for is executed, what else the journal holds is served when it asks for it`;
  const writes = task === null || run === undefined ? [] : [controlRecord(options, task, { taskId, runId: run.id, result: "skip", reason, data: { ...told, expectedStep } })];
  return { task: await engine.skip(taskId, writes), ...told };
}

async function findRun(engine: OperableEngine, id: string): Promise<{ readonly task: Task; readonly runId: string }> {
  const task = await engine.get(id);
  if (task !== null && task.runId === null) throw new LonghaulError("TASK_STATE", `Task ${id} has no run yet whose steps could be served: it is ${task.status}. See it with \`longhaul show ${id}\`.`);
  if (task?.runId !== undefined && task.runId !== null) return { task, runId: task.runId };
  const ofRun = await engine.taskOfRun(id);
  if (ofRun === null) throw new LonghaulError("TASK_UNKNOWN", `There is no task or run ${JSON.stringify(id)}. List tasks with \`longhaul ps --all\`.`);
  return { task: ofRun, runId: id };
}

function assertForkable({ id, status, waitingReason }: Task): void {
  if (isCompensation({ id })) throw new LonghaulError("TASK_STATE", `Task ${id} undoes what another run did; it is not forked. What it could not undo is tried again by \`longhaul restart ${id}\`.`);
  if (isEnded(status) || waitingReason === "code-mismatch") return;
  const state = waitingReason === null ? status : `${status}(${waitingReason})`;
  throw new LonghaulError("TASK_STATE", `Task ${id} is ${state}; only one that has ended, or is parked (code-mismatch), is forked. Wait for its end, or end it with \`longhaul cancel ${id}\`.`);
}

interface ControlFields {
  readonly taskId: string;
  readonly runId: string;
  readonly result: "fork" | "skip";
  readonly reason: string;
  readonly data: Parameters<typeof toLogRecord>[3]["data"];
}

/** The decision of a person, in the commit that carries it out. */
function controlRecord({ ids, clock, manifest }: NewRunOptions, task: Task, { taskId, runId, result, reason, data = {} }: ControlFields): Write {
  return { type: "record", record: toLogRecord(ids("e"), clock.now(), manifest().team, { event_type: "control", agent_id: task.agent, task_id: taskId, run_id: runId, result, reason, data }) };
}
