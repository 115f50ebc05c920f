import type { CommandContext, ExitCode } from "../command-context.ts";
import { openControl } from "../open-control.ts";
import { withView } from "../open-view.ts";
import { findPresence } from "../team-presence.ts";

/** Queues an ended task again, from its first step. @throws {TASK_UNKNOWN} {TASK_STATE} */
export async function runRestart(context: CommandContext, taskId: string): Promise<ExitCode> {
  const isRunning = await withView(context, async (view) => (await findPresence(view, context.clock.now())).isRunning);
  const task = await (await openControl(context)).restart(taskId);
  context.output.data(task);
  context.output.say(`${task.id} is queued again for ${task.agent}.${isRunning ? "" : " The team does not run: it begins when it starts."}`);
  return 0;
}
