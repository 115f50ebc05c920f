import type { CommandContext, ExitCode } from "../command-context.ts";
import { openControl } from "../open-control.ts";

/** Queues an ended task again, from its first step. @throws {TASK_UNKNOWN} {TASK_STATE} */
export async function runRestart(context: CommandContext, taskId: string): Promise<ExitCode> {
  const task = await (await openControl(context)).restart(taskId);
  context.output.data(task);
  context.output.say(`${task.id} is queued again for ${task.agent}.`);
  return 0;
}
