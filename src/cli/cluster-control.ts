import { LonghaulError } from "../base/error.ts";
import { toTaskView } from "../http/task-view.ts";
import { openClusterOperations } from "../runtime/cluster-operations.ts";
import { describeStore } from "../runtime/cluster-place.ts";
import type { Operations } from "../runtime/operations.ts";
import type { CommandContext } from "./command-context.ts";
import { type Control, toAnswer, toBreakerDecision } from "./control.ts";
import { withView } from "./open-view.ts";
import { findPresence } from "./team-presence.ts";

/** People who wait for a task want to know early why it takes long. */
const firstWaitMs = 3_000;
const laterWaitMs = 30_000;

/** Control of a team on a cluster: each command is rows in its database, whether workers run or not. */
export function createClusterControl(context: CommandContext, store: string): Control {
  const { clock, random } = context;
  const run = async <T>(body: (operations: Operations) => Promise<T>): Promise<T> => {
    const opened = await openClusterOperations({ store, clock, random });
    try {
      return await body(opened.operations);
    } finally {
      await opened.close();
    }
  };
  return {
    submit: (task) => run((operations) => operations.submit({ ...task, source: "cli" })),
    cancel: (taskId, reason) => run((operations) => operations.cancel(taskId, reason)),
    restart: (taskId) => run(async (operations) => toTaskView(await operations.restart(taskId))),
    fork: (id, from) => run(async (operations) => toAnswer(await operations.fork(id, from))),
    skip: (taskId) => run(async (operations) => toAnswer(await operations.skip(taskId))),
    approve: (runId, decision, { result = null, ...options }) => run((operations) => operations.approve(runId, decision, result, { ...options, source: "cli" })),
    decideBreaker: (dependency, isolateFor) => run((operations) => operations.decideBreaker(dependency, toBreakerDecision(isolateFor), "cli")),
    approveMcpTool: (approval) => run((operations) => operations.approveMcpTool(approval, "cli")),
    result: (taskId, onOpen) =>
      run(async (operations) => {
        for (let waitMs = firstWaitMs; ; waitMs = laterWaitMs) {
          await endWithin(operations, context, taskId, waitMs);
          const task = await operations.task(taskId);
          if (task !== null && task.end !== null) return toTaskView(task);
          const { isRunning, text } = await withView(context, (view) => findPresence(view, context.clock.now()));
          if (!isRunning) throw new LonghaulError("CLIENT_UNREACHABLE", `Nobody works on ${taskId} at ${describeStore({ store })}. It is kept. ${text}`);
          if (task !== null) onOpen(toTaskView(task));
        }
      }),
  };
}

/** Resolves when the task has ended, or after `waitMs`. @throws {TASK_UNKNOWN} */
async function endWithin(operations: Operations, { clock }: CommandContext, taskId: string, waitMs: number): Promise<void> {
  const controller = new AbortController();
  const timer = clock.setTimer(waitMs, () => controller.abort());
  try {
    await operations.result(taskId, controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
  } finally {
    timer.cancel();
  }
}
