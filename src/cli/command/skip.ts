import type { CommandContext, ExitCode } from "../command-context.ts";
import { openControl } from "../open-control.ts";
import { printableLine } from "../printable.ts";

/** Lets a task go on whose code no longer takes the steps that its journal holds. @throws {TASK_UNKNOWN} {TASK_STATE} */
export async function runSkip(context: CommandContext, taskId: string): Promise<ExitCode> {
  const skipped = await (await openControl(context)).skip(taskId);
  const { task, expected, came } = skipped;
  context.output.data(skipped);
  context.output.say(printableLine(`${task.id} goes on: ${came} came where the journal held ${expected}. What it held is served when the code asks for it.`));
  return 0;
}
