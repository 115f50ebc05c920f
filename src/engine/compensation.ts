import { LonghaulError } from "../base/error.ts";
import type { NewTask, Task, TaskEnd } from "../record/task.ts";
import type { Unwinding } from "./engine.ts";
import type { EngineLimits } from "./limits.ts";
import type { Operation } from "./operation.ts";
import { keyOf } from "./journaled-step.ts";

/**
 * What a run registered to be undone is undone by a task of its own, which begins in the commit that ends the run. Its run is served what the ended one came to, so that
 * code comes to where that one stood and registers the same again; nothing else of the code begins.
 */

const idPrefix = "c_";

/** The id of the task that compensates for a run. There is one at the most. */
export function compensationIdOf(runId: string): string {
  return `${idPrefix}${runId}`;
}

/** The first run of that task. */
export function compensationRunIdOf(runId: string): string {
  return `r_${compensationIdOf(runId)}`;
}

export function isCompensation({ id }: Pick<Task, "id">): boolean {
  return id.startsWith(idPrefix);
}

/** True when what the run of this task registered is to be undone. A compensation has nothing that undoes it. */
export function isToBeCompensated(task: Task, end: TaskEnd): task is Task & { readonly runId: string } {
  return end.status !== "done" && task.runId !== null && !isCompensation(task);
}

/** `mayAct`: a step of the run may act, which was told to stop. When it is known that none does, the task may begin at once. */
export function compensationFor(task: Task & { readonly runId: string }, end: TaskEnd, mayAct: boolean, atMs: number, { compensationMs, stopGraceMs }: EngineLimits): NewTask {
  const { agent, input, priority, depth, doubts } = task;
  return {
    id: compensationIdOf(task.runId), agent, input, key: null, priority, notBeforeAtMs: mayAct ? atMs + stopGraceMs : 0, deadlineAtMs: atMs + compensationMs, depth, doubts,
    source: `compensates ${task.id}, which is ${end.status}`,
  };
}

/** What keeps a task from being restarted: it would do once more what is not undone, or is being undone. */
export type InTheWay =
  | { readonly why: "registered" }
  | { readonly why: "undoing" | "left"; readonly compensationId: string };

/** @throws {TASK_STATE} */
export function refuseRestart(taskId: string, way: InTheWay | null): void {
  if (way === null) return;
  throw new LonghaulError("TASK_STATE", textOf(taskId, way));
}

function textOf(taskId: string, way: InTheWay): string {
  if (way.why === "registered") return `What the run of task ${taskId} registered with ctx.compensate would never be undone. Cancel it first, its run is undone then, and restart it when that is done: longhaul cancel ${taskId}`;
  const { why, compensationId } = way;
  if (why === "undoing") return `What the last run of task ${taskId} did, or one that it called, is being undone by task ${compensationId}. Restart it when that has ended: longhaul show ${compensationId}`;
  return `What the last run of task ${taskId} did, or one that it called, is not all undone: task ${compensationId} is not done. Have the rest undone, then restart this one: longhaul restart ${compensationId}. What was undone by hand is begun again by a new task, not by a restart.`;
}

const registration = "compensate/";

/** How far code has come that is to stand where an ended run stood. */
export class Unwind implements Unwinding {
  readonly registered: readonly string[];
  readonly arrived: Promise<void>;
  readonly #missing: Set<string>;
  #arrive: () => void = () => undefined;
  #hasArrived = false;
  #hasAskedInVain = false;
  #isOverdue = false;

  constructor(seed: Iterable<string>) {
    const keys = [...seed].filter((key) => key.startsWith(registration));
    this.#missing = new Set(keys);
    this.registered = keys.map((key) => key.slice(registration.length, key.lastIndexOf("/")));
    this.arrived = new Promise((resolve) => (this.#arrive = resolve));
  }

  get hasArrived(): boolean {
    return this.#hasArrived;
  }

  get isOverdue(): boolean {
    return this.#isOverdue;
  }

  /** Code has registered all that the ended run had. */
  get isComplete(): boolean {
    return this.#missing.size === 0;
  }

  /** Whether this is to be begun. What the ended run had not come to stays open for ever: neither \`catch\` nor \`finally\` of user code sees it. */
  admits({ identity, reject }: Operation, isSeeded: boolean): boolean {
    if (identity.kind === "compensation") {
      // Code may have ended by itself where the other run did.
      this.arrive();
      return true;
    }
    if (this.#hasArrived) {
      reject(new LonghaulError("OPTION_INVALID", `${identity.kind} ${identity.name} was asked for within a compensation, where ctx does nothing. Use what ctx.compensate's function is given, and plain code.`));
      return false;
    }
    this.#missing.delete(keyOf(identity));
    const isAdmitted = isSeeded || identity.kind === "compensate";
    this.#hasAskedInVain ||= !isAdmitted;
    return isAdmitted;
  }

  /** Code had its time. It is where the other run ended when it asked for something that the other one had not come to; else it awaits something of its own. */
  giveUp(): void {
    this.#isOverdue = !this.#hasAskedInVain;
    this.arrive();
  }

  arrive(): void {
    this.#hasArrived = true;
    this.#arrive();
  }
}
