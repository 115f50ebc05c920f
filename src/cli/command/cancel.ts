import type { CommandContext, ExitCode } from "../command-context.ts";
import { openControl } from "../open-control.ts";

/** Ends a task and what it called. Ends with 1 when it had ended before. @throws {TASK_UNKNOWN} */
export async function runCancel(context: CommandContext, taskId: string, { reason }: { readonly reason: string }): Promise<ExitCode> {
  const canceled = await (await openControl(context)).cancel(taskId, reason);
  context.output.data({ taskId, canceled });
  context.output.say(canceled ? `${taskId} is canceled.` : `${taskId} had ended before. See it with: longhaul show ${taskId}`);
  return canceled ? 0 : 1;
}
