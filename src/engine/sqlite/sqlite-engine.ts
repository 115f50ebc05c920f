import type { Clock } from "../../base/clock.ts";
import { isLonghaulError } from "../../base/error.ts";
import type { Json } from "../../base/json.ts";
import { onNextTurn } from "../../base/turn.ts";
import type { GroupCommit } from "../../db/group-commit.ts";
import type { SqliteDatabase } from "../../db/sqlite.ts";
import type { Run } from "../../record/run.ts";
import type { CompletedStep } from "../../record/step.ts";
import type { NewTask, Task, TaskEnd, WaitingReason } from "../../record/task.ts";
import type { Write } from "../../record/write.ts";
import type { DrainReport, Engine, EngineAgent, EngineRetention, Execute, LastOwner, ObserveTask, RecoveryReport, Started, StartOptions, TaskFilter } from "../engine.ts";
import type { OpenWait } from "../../record/open-wait.ts";
import { Alarm } from "./alarm.ts";
import type { Change, Effects } from "./change.ts";
import { Dispatcher, SlotRefused } from "./dispatcher.ts";
import { isFileFailure } from "../../db/file-failure.ts";
import { createRetention } from "./forget.ts";
import { listSteps } from "./journal.ts";
import { defaultEngineLimits, type EngineLimits } from "../limits.ts";
import { LiveRuns } from "./live-runs.ts";
import { cancelTask, restartTask, skipMismatch } from "./operator.ts";
import type { Ownership } from "./owner.ts";
import { recover } from "./recovery.ts";
import { getTaskIdOfRun, listRuns } from "./runs.ts";
import { acceptSignal } from "./signal.ts";
import { startTask } from "./start-task.ts";
import { getTask, listTasks, toTask } from "./tasks.ts";
import { engineClosed, engineDraining, resultAbandoned, taskUnknown } from "../refusal.ts";
import { reasonOfEnd } from "../task-rules.ts";
import { TaskWaiters } from "../task-waiters.ts";
import { listWaitsFor } from "./waits.ts";
import { isFenced, isFinal, Writer } from "./writer.ts";

export interface SqliteEngineOptions {
  readonly db: SqliteDatabase;
  /** The only writer of `db`. Its guard is `ownership.guard`. */
  readonly commit: GroupCommit;
  readonly clock: Clock;
  readonly ids: (prefix: string) => string;
  /** Applies writes to the store's tables inside the open transaction. */
  readonly apply: (db: SqliteDatabase, writes: readonly Write[]) => void;
  readonly observe: ObserveTask;
  /** Told of each task that came or moved, in the order of commits, when that is on disk: the very objects that `observe` was given. */
  readonly onTask?: (task: Task) => void;
  /** Renewed while the engine is open and given back by `close`. Without it nobody else may open the file. */
  readonly ownership?: Ownership;
  /** Called once when another process has taken the file over; the engine has stopped executing. */
  readonly onFenced?: (error: Error) => void;
  /** Told of a bug of ours or of `observe`. Default: it ends the process as an uncaught exception. */
  readonly onFault?: (error: unknown) => void;
  readonly limits?: Partial<EngineLimits>;
}

export interface SqliteEngine extends Engine {
  /** While it is held, no run is given a slot. */
  hold(isHeld: boolean): void;
  readonly isHeld: boolean;
}

/** The durable engine in one process and one SQLite file. */
export function createSqliteEngine(options: SqliteEngineOptions): SqliteEngine {
  return new FileEngine(options);
}

/**
 * Wires the parts: Writer makes changes, Dispatcher gives slots, Alarm ends what is due, LiveRuns holds what is in memory.
 * What a change brings about in memory happens in `#onCommitted`, in the order of commits, and nowhere else.
 */
class FileEngine implements SqliteEngine {
  readonly retention: EngineRetention;
  readonly #options: SqliteEngineOptions;
  readonly #writer: Writer;
  readonly #dispatcher: Dispatcher;
  readonly #alarm: Alarm;
  readonly #live: LiveRuns;
  readonly #waiters = new TaskWaiters();
  #state: "open" | "draining" | "closed" = "open";
  #fenced: Error | null = null;
  #draining: Promise<DrainReport> | null = null;

  constructor(options: SqliteEngineOptions) {
    this.#options = options;
    const { db, commit, clock, apply, observe, ids, onFault = endProcess } = options;
    const limits = { ...defaultEngineLimits, ...options.limits };
    this.#writer = new Writer({
      db, commit, clock, limits, apply, observe,
      onCommitted: (effects) => this.#onCommitted(effects),
      onUndone: (effects) => this.#dispatcher.undoClaims(effects),
      onFenced: (error) => this.#fence(error),
    });
    this.retention = createRetention(this.#writer);
    this.#dispatcher = new Dispatcher({ clock, writer: this.#writer, newId: ids, onFault });
    this.#alarm = new Alarm({ clock, writer: this.#writer, onDue: () => this.#dispatcher.pokeAll(), onFault });
    this.#live = new LiveRuns({ writer: this.#writer, clock, limits, onFault, dispatcher: this.#dispatcher, queueMax: (agent) => this.#dispatcher.agent(agent)?.queueMax ?? limits.queueUnknownAgentMax, activeMsMax: (agent) => this.#dispatcher.agent(agent)?.activeMsMax ?? limits.activeMsMax });
    options.ownership?.keep(commit, (error) => this.#fence(error));
  }

  async run(agents: readonly EngineAgent[], execute: Execute, last: LastOwner = { ranOutOfMemory: false }): Promise<RecoveryReport> {
    this.#assertOpen();
    const report = await recover(this.#writer, agents, last.ranOutOfMemory);
    // A drain may have come meanwhile: what is queued is the next owner's.
    if (this.#state !== "open") return report;
    this.#live.execute = execute;
    this.#alarm.start();
    this.#dispatcher.start(agents);
    return report;
  }

  async start(task: NewTask, options: StartOptions = {}): Promise<Started> {
    this.#assertOpen();
    if (this.#state === "draining") throw engineDraining(task.id);
    try {
      return await this.#writer.write((change) => {
        const started = this.#startIn(change, task, options);
        if (started.created) this.#dispatcher.claimAtOnce(change, task.agent);
        return started;
      });
    } catch (error) {
      if (!(error instanceof SlotRefused)) throw error;
      // The task is queued without: the dispatcher tells of what is wrong and tries again.
      return await this.#writer.write((change) => this.#startIn(change, task, options));
    }
  }

  #startIn(change: Change, task: NewTask, { seed, prefix, writes = [] }: StartOptions): Started {
    const started = startTask(change, task, {
      queueMax: this.#live.queueMax,
      ...(seed === undefined ? {} : { seed }),
      ...(prefix === undefined ? {} : { fork: { prefix, newRunId: this.#options.ids("r") } }),
    });
    if (started.created) change.write(writes);
    return started;
  }

  async get(taskId: string): Promise<Task | null> {
    return await this.#writer.read((db) => {
      const task = getTask(db, taskId);
      return task === null ? null : toTask(task);
    });
  }

  async list(filter: TaskFilter): Promise<readonly Task[]> {
    return await this.#writer.read((db) => listTasks(db, filter));
  }

  async steps(runId: string): Promise<readonly CompletedStep[]> {
    return await this.#writer.read((db) => listSteps(db, runId));
  }

  async runs(taskId: string): Promise<readonly Run[]> {
    return await this.#writer.read((db) => listRuns(db, taskId));
  }

  async taskOfRun(runId: string): Promise<Task | null> {
    const taskId = await this.#writer.read((db) => getTaskIdOfRun(db, runId));
    return taskId === null ? null : await this.get(taskId);
  }

  async waits(reason: WaitingReason): Promise<readonly OpenWait[]> {
    return await this.#writer.read((db) => listWaitsFor(db, reason));
  }

  async result(taskId: string, signal?: AbortSignal): Promise<TaskEnd> {
    this.#assertOpen();
    const ended = this.#waiters.wait(taskId, signal);
    ended.catch(() => undefined); // Awaited below, after the read; a refusal that comes first is not lost.
    const task = await this.get(taskId);
    if (task === null) this.#waiters.refuse(taskId, taskUnknown(taskId));
    else if (task.end !== null) this.#waiters.wake(taskId, task.end);
    return await ended;
  }

  async signal(runId: string, name: string, payload: Json, id: string): Promise<boolean> {
    this.#assertOpen();
    return await this.#writer.write((change) => acceptSignal(change, { runId, name, payload, id }));
  }

  async cancel(taskId: string, reason: string): Promise<boolean> {
    this.#assertOpen();
    return await this.#writer.write((change) => cancelTask(change, taskId, reason));
  }

  async restart(taskId: string, options: StartOptions = {}): Promise<Task> {
    this.#assertOpen();
    return await this.#writer.write((change) => {
      const restarted = restartTask(change, taskId, this.#options.ids("r"), options);
      change.write(options.writes ?? []);
      return restarted;
    });
  }

  async skip(taskId: string, writes: readonly Write[] = []): Promise<Task> {
    this.#assertOpen();
    return await this.#writer.write((change) => {
      const skipped = skipMismatch(change, taskId, this.#options.ids("r"));
      change.write(writes);
      return skipped;
    });
  }

  drain(timeoutMs: number): Promise<DrainReport> {
    this.#draining ??= this.#drain(timeoutMs);
    return this.#draining;
  }

  get isHeld(): boolean {
    return this.#dispatcher.isHeld;
  }

  hold(isHeld: boolean): void {
    this.#dispatcher.hold(isHeld);
  }

  isQuiet(): boolean {
    return this.#writer.isIdle && this.#dispatcher.isIdle && !this.#alarm.isFiring && this.#live.isAtRest;
  }

  isTelling(): boolean {
    return this.#live.isTelling;
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    await this.drain(0);
    this.#state = "closed";
    this.#waiters.refuseAll(resultAbandoned());
    try {
      await this.#options.ownership?.release(this.#options.commit);
    } catch (error) {
      // A file that another process owns, or that is closed already, is not ours to give back. One that takes nothing keeps our name: the next owner finds us gone.
      if (!isFinal(error) && !isFileFailure(error)) throw error;
    }
  }

  async #drain(timeoutMs: number): Promise<DrainReport> {
    this.#state = "draining";
    this.#dispatcher.stop();
    this.#alarm.stop();
    const { clock } = this.#options;
    try {
      // What was submitted before may still bring a run into memory.
      await this.#writer.write(() => undefined);
    } catch (error) {
      if (isFenced(error)) await this.#writer.late.settled(lateMsMax);
      if (isFinal(error)) return { interrupted: 0 };
      if (!isFileFailure(error)) throw error;
    }
    return await this.#live.drain(clock, timeoutMs);
  }

  #onCommitted(effects: Effects): void {
    const { onTask } = this.#options;
    if (onTask !== undefined) for (const task of effects.changed) onTask(task);
    for (const { runId, how } of effects.left) this.#live.leave(runId, how);
    for (const { taskId, runId, end } of effects.ended) {
      if (runId !== null) this.#live.end(runId, () => reasonOfEnd(taskId, end));
      this.#waiters.wake(taskId, end);
    }
    this.#dispatcher.forgetClaims(effects);
    for (const claimed of effects.claimed) this.#live.launch(claimed);
    for (const { runId, step } of effects.completed) this.#live.complete(runId, step);
    for (const agent of effects.queued) this.#dispatcher.noteCame(agent);
    if (effects.hasCleared) this.#dispatcher.pokeAll();
    this.#alarm.note(effects.dueAtMs);
  }

  #fence(error: Error): void {
    if (this.#fenced !== null) return;
    this.#fenced = error;
    this.#dispatcher.stop();
    this.#alarm.stop();
    this.#live.fence(error);
    this.#waiters.refuseAll(error);
    this.#options.onFenced?.(error);
  }

  #assertOpen(): void {
    if (this.#fenced !== null) throw this.#fenced;
    if (this.#state === "closed") throw engineClosed();
  }
}

/** How long a fenced process waits for the ends of its steps. */
const lateMsMax = 5_000;

function endProcess(error: unknown): void {
  onNextTurn(() => {
    throw isLonghaulError(error) || error instanceof Error ? error : new Error(String(error));
  });
}
