import { isLonghaulError } from "../../base/error.ts";
import type { Json } from "../../base/json.ts";
import type { Run } from "../../record/run.ts";
import type { CompletedStep } from "../../record/step.ts";
import type { NewTask, Task, TaskEnd, WaitingReason } from "../../record/task.ts";
import type { Write } from "../../record/write.ts";
import type { OperableEngine, Started, StartOptions, TaskFilter } from "../engine.ts";
import type { OpenWait } from "../../record/open-wait.ts";
import { taskUnknown } from "../refusal.ts";
import { TaskWaiters } from "../task-waiters.ts";
import { listSteps } from "./journal.ts";
import { cancelTask, restartTask, skipMismatch } from "./operator.ts";
import { getTaskIdOfRun, listRuns } from "./runs.ts";
import { acceptSignal } from "./signal.ts";
import { startTask, startTasks, type StartedAs } from "./start-task.ts";
import { TaskReads } from "./task-reads.ts";
import { listTasks, toTask } from "./tasks.ts";
import type { Joint } from "./together.ts";
import { listWaitsFor } from "./waits.ts";
import type { Writer } from "./writer.ts";

export interface TaskDeskOptions {
  readonly writer: Writer;
  readonly ids: (prefix: string) => string;
  readonly queueMax: (agent: string) => number;
}

/** What is asked for once, whatever number of tries that takes. */
interface StartCall {
  readonly task: NewTask;
  readonly options: StartOptions;
  /** lh_task.serial of what the last try inserted that got so far. It may be there although its COMMIT was answered into nothing. */
  insertedAs: number | null;
}

/** What a call is told: also that it made the task when an earlier try did. */
function answer(call: StartCall, { taskId, created, serial }: StartedAs): Started {
  if (created) call.insertedAs = serial;
  return { taskId, created: serial !== null && serial === call.insertedAs };
}

/** What is asked of tasks and done to them by rows alone: by a worker, or by a command of a person beside the workers. */
export class TaskDesk implements OperableEngine {
  /** Those in this process who wait for the end of a task: woken by whoever hears of it. */
  readonly waiters = new TaskWaiters();
  readonly #options: TaskDeskOptions;
  readonly #reads = new TaskReads();

  constructor(options: TaskDeskOptions) {
    this.#options = options;
  }

  async start(task: NewTask, options: StartOptions = {}): Promise<Started> {
    const call: StartCall = { task, options, insertedAs: null };
    return Object.keys(options).length === 0 && task.key === null ? await this.#options.writer.together(this.#starts, call) : await this.#start(call);
  }

  async #start(call: StartCall): Promise<Started> {
    const { writer, ids, queueMax } = this.#options;
    const { seed, prefix, writes = [] } = call.options;
    const newRunId = ids("r");
    return await writer.write(async (change) => {
      const started = await startTask(change, call.task, {
        queueMax,
        ...(seed === undefined ? {} : { seed }),
        ...(prefix === undefined ? {} : { fork: { prefix, newRunId } }),
      });
      if (started.created) await change.write(writes);
      return answer(call, started);
    });
  }

  /** Of tasks alone: of keys, two transactions could wait for each other crosswise. */
  readonly #starts: Joint<StartCall, Started> = {
    // One after the other: they come into the queue in the order in which they were asked for.
    together: async (change, calls) => new Map([...(await startTasks(change, calls, this.#options.queueMax))].map(([call, started]) => [call, answer(call, started)])),
    alone: (call) => this.#start(call),
    // It was waited for once.
    isForAll: (error) => isLonghaulError(error) && error.code === "STORE_UNREACHABLE",
  };

  async get(taskId: string): Promise<Task | null> {
    const task = (await this.#options.writer.read((db) => this.#reads.get(db, taskId))) ?? null;
    return task === null ? null : toTask(task);
  }

  async list(filter: TaskFilter): Promise<readonly Task[]> {
    return await this.#options.writer.read((db) => listTasks(db, filter));
  }

  async steps(runId: string): Promise<readonly CompletedStep[]> {
    return await this.#options.writer.read((db) => listSteps(db, runId));
  }

  async runs(taskId: string): Promise<readonly Run[]> {
    return await this.#options.writer.read((db) => listRuns(db, taskId));
  }

  async taskOfRun(runId: string): Promise<Task | null> {
    const taskId = await this.#options.writer.read((db) => getTaskIdOfRun(db, runId));
    return taskId === null ? null : await this.get(taskId);
  }

  async waits(reason: WaitingReason): Promise<readonly OpenWait[]> {
    return await this.#options.writer.read((db) => listWaitsFor(db, reason));
  }

  async result(taskId: string, signal?: AbortSignal): Promise<TaskEnd> {
    const ended = this.waiters.wait(taskId, signal);
    ended.catch(() => undefined); // Awaited below, after the read; a refusal that comes first is not lost.
    const task = await this.get(taskId);
    if (task === null) this.waiters.refuse(taskId, taskUnknown(taskId));
    else if (task.end !== null) this.waiters.wake(taskId, task.end);
    return await ended;
  }

  async signal(runId: string, name: string, payload: Json, id: string): Promise<boolean> {
    return await this.#options.writer.write((change) => acceptSignal(change, { runId, name, payload, id }));
  }

  async cancel(taskId: string, reason: string): Promise<boolean> {
    const request = { taskId, id: this.#options.ids("q") };
    return await this.#options.writer.write((change) => cancelTask(change, request, reason));
  }

  async restart(taskId: string, options: StartOptions = {}): Promise<Task> {
    const request = { taskId, id: this.#options.ids("r") };
    return await this.#options.writer.write((change) => restartTask(change, request, options));
  }

  async skip(taskId: string, writes: readonly Write[] = []): Promise<Task> {
    const request = { taskId, id: this.#options.ids("r") };
    return await this.#options.writer.write((change) => skipMismatch(change, request, writes));
  }
}
