import type { CommandContext, ExitCode } from "../command-context.ts";
import { openControl } from "../open-control.ts";

/** Begins a new run with the first steps of another. @throws {TASK_UNKNOWN} {TASK_STATE} {OPTION_INVALID} */
export async function runFork(context: CommandContext, id: string, { from }: { readonly from: number }): Promise<ExitCode> {
  const forked = await (await openControl(context)).fork(id, from);
  const { task, created, ofRun, served } = forked;
  context.output.data(forked);
  const steps = served === 0 ? "It begins at its first step" : `${served === 1 ? "1 step is" : `${served} steps are`} served from ${ofRun}; step ${from} is the first that executes again`;
  context.output.say(created ? `${task.id} was begun for ${task.agent}. ${steps}.` : `${task.id} is queued again for ${task.agent}. ${steps}.`);
  return 0;
}
