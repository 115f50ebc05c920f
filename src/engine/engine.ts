import type { Json } from "../base/json.ts";
import type { Failure } from "../record/failure.ts";
import type { OpenWait } from "../record/open-wait.ts";
import type { Run } from "../record/run.ts";
import type { CompletedStep, StepIdentity, StepKind, StepOutcome } from "../record/step.ts";
import type { NewTask, Task, TaskEnd, TaskStatus, WaitingReason } from "../record/task.ts";
import type { Write } from "../record/write.ts";

/**
 * The port of durable execution.
 *
 * Purpose: start a task once per key, run its durable code, journal every step, wait without memory or polling, resume after anything.
 * Boundary: knows tasks, runs, steps and waits; knows nothing of agents' models, tools, money or judges. What a step writes beside its journal
 * entry comes as `Write` data and goes into the same commit.
 *
 * Invariants (each is a test of engine.testsuite.ts):
 *  E1 a task with the same key starts once;                        E2 a committed step never executes again, its failure keeps identity;
 *  E3 an interrupted step is attempted again;                      E4 at most one attempt commits (epoch checked in the write's transaction);
 *  E5 every unfinished run resumes at start;                       E6 a committed step survives kill -9;
 *  E7 suspension is a promise that never settles;                  E8 completions are delivered one at a time in journal order;
 *  E9 a step is recognised by kind, name and occurrence only;      E10 seeded outcomes are served before executing;
 *  E11 drain loses nothing;                                        E12 recovery is bounded;
 *  E13 a run that begins with another's steps replays them as they went, and does nothing that they did;
 *  E14 a run that registered compensations and ends other than done is followed, in the same commit, by a task that replays it and compensates;
 *  E15 what has ended is forgotten when it is due, and nothing that something open may still ask for.
 */
export interface Engine {
  /** Recovers what was interrupted and begins to run tasks of `agents`. */
  run(agents: readonly EngineAgent[], execute: Execute, last?: LastOwner): Promise<RecoveryReport>;
  /** Starts a task, or returns the one that holds its key. @throws {QUEUE_FULL} */
  start(task: NewTask, options?: StartOptions): Promise<Started>;
  get(taskId: string): Promise<Task | null>;
  list(filter: TaskFilter): Promise<readonly Task[]>;
  /** The completed steps of a run in completion order. */
  steps(runId: string): Promise<readonly CompletedStep[]>;
  /** The runs of a task, first to last. */
  runs(taskId: string): Promise<readonly Run[]>;
  /** The task of a run, also of one that it does not execute any more; null when there is no such run. */
  taskOfRun(runId: string): Promise<Task | null>;
  /** What runs wait for, for this reason, oldest first. */
  waits(reason: WaitingReason): Promise<readonly OpenWait[]>;
  /** Resolves when the task ends. Rejects with the signal's reason. @throws {TASK_UNKNOWN} */
  result(taskId: string, signal?: AbortSignal): Promise<TaskEnd>;
  /** Answers one named wait of a run, now or when it gets there. Idempotent by `id`. False when the run has ended or does not exist. */
  signal(runId: string, name: string, payload: Json, id: string): Promise<boolean>;
  /** Ends a task and its children; what executes is aborted and its result dropped. True when it was canceled by this call, false when it had ended. @throws {TASK_UNKNOWN} */
  cancel(taskId: string, reason: string): Promise<boolean>;
  /**
   * Queues a dead, canceled or parked (code-mismatch) task again with a new run that begins at step 1, or with what the options give it. A deadline that has
   * passed is set anew, as far away as it was at first. @throws {TASK_UNKNOWN, TASK_STATE}
   */
  restart(taskId: string, options?: StartOptions): Promise<Task>;
  /**
   * Lets a parked (code-mismatch) task go on with a new run: what was delivered is delivered again, what the code asks for is executed, and what else the
   * journal holds is served when the code asks for it; what it never asks for is left out. Signals that nothing took, calls in flight and idempotency keys
   * stay, and so do the times of what is served: a sleep that is asked for again ends when it would have, unless code executed something before it, which
   * brings its time to the present. A call that the code no longer asks for parks the run again when it ends.
   * @throws {TASK_UNKNOWN, TASK_STATE}
   */
  skip(taskId: string, writes?: readonly Write[]): Promise<Task>;
  readonly retention: EngineRetention;
  /** Takes no new task, lets executing steps finish until `timeoutMs` has passed, leaves the rest to be resumed. */
  drain(timeoutMs: number): Promise<DrainReport>;
  /** True when no step body executes, nothing waits to be committed and no run is ready. For tests under a virtual clock. */
  isQuiet(): boolean;
  /** True while the code of a run is told of what has ended, as in a replay, which takes a turn of the event loop for each step. For tests under a virtual clock. */
  isTelling(): boolean;
  close(): Promise<void>;
}

/**
 * What is forgotten of tasks that have ended, a few rows at a time. What is open is never forgotten, nor what something open may still ask for: a task that an open
 * run called, and one whose run is being undone.
 */
export interface EngineRetention {
  /** The names of agents of which there are ended tasks. */
  agents(): Promise<readonly string[]>;
  /** Ended tasks of one agent of which something is to be forgotten, the oldest first, at most `limit`. */
  due(query: DueQuery): Promise<readonly DueTask[]>;
  /**
   * Forgets these tasks, in one commit, until about `rowsMax` rows are gone; one that was begun again meanwhile is left alone. Resolves to how many rows went: as long as that
   * is more than none, there may be more to forget of the same tasks.
   */
  forget(tasks: readonly DueTask[], rowsMax: number): Promise<number>;
}

export interface DueQuery {
  readonly agent: string;
  /** Ended by then, a task that is done or canceled is due. */
  readonly endedBeforeMs: number;
  /** Ended by then, a dead letter is due. */
  readonly deadBeforeMs: number;
  /** So many tasks of the agent stay listed, the newest that are done or dead: only their journals are forgotten. */
  readonly listed: number;
  readonly limit: number;
}

export interface DueTask {
  readonly id: string;
  readonly endedAtMs: number;
  /** False: the steps go, and the task stays listed. */
  readonly isWhole: boolean;
}

/** What people and applications do to the tasks of a team. */
export type OperableEngine = Pick<Engine, "start" | "get" | "list" | "steps" | "runs" | "taskOfRun" | "waits" | "result" | "signal" | "cancel" | "restart" | "skip">;

/** What is known of the process that executed these tasks before. */
export interface LastOwner {
  /** True when it died because its heap was exhausted. */
  readonly ranOutOfMemory: boolean;
}

export interface EngineAgent {
  readonly name: string;
  readonly version: string;
  /** Version of the code that names an agent's steps in its place. A run of another one is parked: nothing of its journal is guessed. Default 0. */
  readonly loopVersion?: number;
  /** Runs of this agent that execute at once. A waiting run holds no slot. */
  readonly concurrency: number;
  readonly queueMax: number;
  /** Time that one of its tasks may execute, over all of its slots: waits do not count. Over it: dead(active-time). Default: `EngineLimits.activeMsMax`. */
  readonly activeMsMax?: number;
}

/** Durable code: called again from its first line each time the run is resumed. */
export type Execute = (context: EngineContext) => Promise<RunEnd>;

export interface RunEnd {
  readonly end: TaskEnd;
  readonly writes?: readonly Write[];
}

/** What durable code may await. Its promises settle one at a time, in journal order. */
export interface EngineContext {
  readonly task: Task;
  readonly runId: string;
  /** Aborts when the task is canceled, its deadline passes, or a drain's time is up. */
  readonly signal: AbortSignal;
  /** Deterministic time: when the run began, then when the last delivered step completed. */
  now(): number;
  /** A number in [0, 1) that is the same at each replay. */
  random(): number;
  /** Of a run that compensates for another, how far its code has come; null of any other. */
  readonly unwinding: Unwinding | null;
  step(spec: StepSpec, body: StepBody): Promise<Json>;
  /** User SQL in the step's own transaction. `body` may await only `tx`. */
  transaction(spec: StepSpec, body: (tx: Transaction) => Promise<Json>): Promise<Json>;
  wait(spec: WaitSpec): Promise<WaitEnd>;
  /**
   * Starts a task and waits for its end. Never rejects for the child's failure: the end is the value. A key that another task holds leads to that task's end.
   * A child that has not ended when its parent ends is canceled. @throws {QUEUE_FULL, TASK_STATE} when the child would wait for this run.
   */
  child(spec: StepSpec, task: NewTask): Promise<ChildEnd>;
  child(spec: StepSpec, task: NewTask, gate: ChildGate): Promise<ChildEnd | HeldChild>;
}

/**
 * A run that ends other than `done` and has registered compensations (steps of kind "compensate") is followed by a task of the same agent, in the same commit. Its run is
 * served what the ended one came to; what that one had not come to is asked for in vain. Of its own it begins steps of kind "compensation" only.
 */
export interface Unwinding {
  /** The names under which the ended run registered them, in that order. */
  readonly registered: readonly string[];
  /** Resolves when code stands where the ended run stood. */
  readonly arrived: Promise<void>;
  /** True when code had not come there in its time, because it awaited something other than ctx. */
  readonly isOverdue: boolean;
}

/** What a called task came to, and which one it was: in a run that begins with another's steps, and behind a key, not the one that was asked for. */
export type ChildEnd = TaskEnd & { readonly taskId: string };

/** Decides whether a child is made, each time before one is that does not exist yet. */
export interface ChildGate {
  /** Null: it is made. Otherwise it is not, and the step ends with this, and with these writes. Asked again for the same child after a crash. */
  ask(execution: StepExecution): Promise<(HeldChild & Pick<StepEnd, "writes">) | null>;
  /** The child that was let through could not be made. */
  giveBack(): void;
}

/** A child that was not made, and what its gate says of it. */
export interface HeldChild {
  readonly held: Json;
}

export interface StepSpec {
  readonly kind: StepKind;
  readonly name: string;
}

export type StepBody = (execution: StepExecution) => Promise<StepEnd>;

export interface StepExecution {
  readonly identity: StepIdentity;
  /** Its own in the run: its place in call order, from 1; of one that new code takes in the place of another that is stored, one behind all that are. */
  readonly number: number;
  /** 1, and one more for each crash that interrupted the run before. */
  readonly attempt: number;
  /** Higher than that of every attempt of the run's steps before: what a superseded attempt still does is known by it. */
  readonly fence: number;
  /** `<run>/<kind>/<name>/<occurrence>`: the same at every attempt. */
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
}

/** A step's end: one commit of the outcome, the writes beside it and the tasks that it starts. A body that throws ends in a failure. */
export interface StepEnd {
  readonly outcome: StepOutcome;
  readonly writes?: readonly Write[];
  readonly starts?: readonly NewTask[];
}

export interface Transaction {
  run(sql: string, ...parameters: readonly SqlValue[]): Promise<{ readonly changes: number }>;
  all(sql: string, ...parameters: readonly SqlValue[]): Promise<readonly Readonly<Record<string, SqlValue>>[]>;
}
export type SqlValue = string | number | null;

/** A durable wait: for a signal, for an instant, or for whichever comes first. */
export interface WaitSpec {
  readonly name: string;
  /** Default "wait". */
  readonly kind?: StepKind;
  readonly reason: WaitingReason;
  /** Ends the wait after this long, counted from `now()` at the first request. */
  readonly timeoutMs?: number;
  /** Ends the wait when this signal arrives. */
  readonly signal?: string;
}

export type WaitEnd = { readonly by: "timer" } | { readonly by: "signal"; readonly payload: Json };

export interface StartOptions {
  /** Guards and facts in the same commit. A refusing guard refuses the start. */
  readonly writes?: readonly Write[];
  /** Outcomes that are served instead of executing, when the code asks for them. */
  readonly seed?: readonly SeededStep[];
  /** What the journal begins with: steps of another run. */
  readonly prefix?: RunPrefix;
}

/**
 * The completed steps of a run that are numbered below `below`. They are delivered in the order in which that run was delivered them, before anything executes,
 * with the time and the chance that it saw. @throws {TASK_UNKNOWN} when there is no such run.
 */
export interface RunPrefix {
  readonly runId: string;
  readonly below: number;
}

/** An outcome that is served instead of executing; it is journaled as attempt 0. */
export interface SeededStep {
  readonly kind: StepKind;
  readonly name: string;
  readonly occurrence: number;
  readonly outcome: StepOutcome;
}

export interface Started {
  readonly taskId: string;
  /** False when a task with the same key existed: `taskId` is that one. */
  readonly created: boolean;
}

/** Which tasks to list. */
export interface TaskFilter {
  readonly statuses?: readonly TaskStatus[];
  readonly agent?: string;
  /** At most this many. Default 100, at most 10,000. */
  readonly limit?: number;
  /** By creation; the first ones that are returned. Default "newest". */
  readonly first?: "newest" | "oldest";
  /** Without what may be large, and is not read then: `input` and `end` are null. Default false. */
  readonly brief?: boolean;
}

/**
 * What an engine does for all processes that serve a team, in one of them at a time: it ends waits and tasks whose time has come, and looks for what a process that died
 * left undone. What falls due by the doing of another process is found within 5 s.
 */
export interface EngineDuty {
  /** Works off what fell due while nobody looked, and goes on. */
  start(): Promise<void>;
  stop(): void;
}

export interface RecoveryReport {
  readonly resumed: number;
  readonly quarantined: number;
}

export interface DrainReport {
  /** Runs that were executing and were left to be resumed. */
  readonly interrupted: number;
}

/** A transition of a task, told to the composition root inside the commit; what it returns is written there too. */
export interface TaskChange {
  /** The agent's version with which the run went on so far, when it now goes on with another. */
  readonly earlierVersion?: string;
  readonly task: Task;
  readonly from: TaskStatus | null;
  readonly atMs: number;
  /** Why, where the task did not end by it: ENGINE_CODE_MISMATCH of a run that was parked. */
  readonly failure?: Failure;
  /** It was executing when its process died. */
  readonly crashes?: CountedCrashes;
  /** The task goes on, and its run comes near a limit. May be told again when the run is resumed. */
  readonly nearLimit?: NearLimit;
}

/** How often that has happened to the task, this time included, and how often it may. */
export interface CountedCrashes {
  readonly withoutProgress: number;
  readonly withoutProgressMax: number;
  readonly inAll: number;
  readonly inAllMax: number;
}

/** A limit of one run, of which four fifths are used. */
export interface NearLimit {
  readonly limit: "steps" | "journal-bytes";
  readonly value: number;
  readonly max: number;
}
export type ObserveTask = (change: TaskChange) => readonly Write[];
