import type { TaskEnd } from "../record/task.ts";

interface Waiter {
  readonly resolve: (end: TaskEnd) => void;
  readonly reject: (reason: unknown) => void;
}

/** Those in this process who wait for the end of a task. Woken by its commit; nobody polls. */
export class TaskWaiters {
  readonly #waiters = new Map<string, Set<Waiter>>();

  /** The tasks that somebody waits for. */
  get taskIds(): Iterable<string> {
    return this.#waiters.keys();
  }

  /** Resolves when `wake` is called for the task. Rejects with the signal's reason. */
  wait(taskId: string, signal?: AbortSignal): Promise<TaskEnd> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const settle = (act: () => void): void => {
        signal?.removeEventListener("abort", onAbort);
        this.#forget(taskId, waiter);
        act();
      };
      const onAbort = (): void => settle(() => reject(signal?.reason as Error));
      const waiter: Waiter = { resolve: (end) => settle(() => resolve(end)), reject: (reason) => settle(() => reject(reason)) };
      signal?.addEventListener("abort", onAbort, { once: true });
      const waiters = this.#waiters.get(taskId) ?? new Set();
      this.#waiters.set(taskId, waiters.add(waiter));
    });
  }

  wake(taskId: string, end: TaskEnd): void {
    for (const waiter of this.#waiters.get(taskId) ?? []) waiter.resolve(end);
  }

  refuse(taskId: string, error: Error): void {
    for (const waiter of this.#waiters.get(taskId) ?? []) waiter.reject(error);
  }

  refuseAll(error: Error): void {
    for (const taskId of this.#waiters.keys()) this.refuse(taskId, error);
  }

  #forget(taskId: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(taskId);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#waiters.delete(taskId);
  }
}
