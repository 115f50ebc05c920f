import type { Json } from "../../base/json.ts";
import type { TaskView } from "../../http/task-view.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import { openControl } from "../open-control.ts";
import { printable, printableLine } from "../printable.ts";
import { textOfValue } from "../transcript-text.ts";
import { withView } from "../open-view.ts";
import { findPresence } from "../team-presence.ts";
import { LonghaulError } from "../../base/error.ts";

export interface TaskOptions {
  readonly input: Json;
  readonly key?: string;
  readonly priority?: number;
  readonly wait: boolean;
}

/** Gives an agent a task, or finds the one that holds the key; with `wait`, ends with the task. */
export async function runTask(context: CommandContext, agent: string, { input, key, priority, wait }: TaskOptions): Promise<ExitCode> {
  const { output } = context;
  const { isRunning, supervisor, text } = await withView(context, (view) => findPresence(view, context.clock.now()));
  if (wait && !isRunning) throw new LonghaulError("CLIENT_UNREACHABLE", supervisor === null ? "No team runs that would work on the task, so --wait would never end. Leave it out to queue the task, or type: longhaul start team.ts" : `${text} Leave out --wait to queue the task.`);
  const control = await openControl(context);
  const started = await control.submit({ agent, input, ...(key === undefined ? {} : { key }), ...(priority === undefined ? {} : { priority }) });
  if (!wait) {
    output.data(started);
    output.say(`${started.taskId} ${started.created ? "is queued" : "holds this key already"}.${isRunning ? "" : " The team does not run: it begins when it starts."}`);
    output.say(output.style("dim", `See it with: longhaul show ${started.taskId}`));
    return 0;
  }
  const task = await control.result(started.taskId, createWaitTeller(context));
  output.data(task);
  printEnd(context, task);
  return task.status === "done" ? 0 : 1;
}

/** Tells each state that a task is found in, once. A program that asked for JSON is told the end only. */
function createWaitTeller({ output }: CommandContext): (task: TaskView) => void {
  let told = "";
  return ({ id, status, waitingReason }) => {
    const state = waitingReason === null ? status : `${status}(${waitingReason})`;
    if (output.isJson || state === told) return;
    told = state;
    output.warn(output.style("dim", `${id} is ${state}. Ctrl-C ends this wait, not the task. See it with: longhaul show ${id}`));
  };
}

function printEnd({ output }: CommandContext, task: TaskView): void {
  if (task.status === "done") {
    output.warn(output.style("dim", `${task.id} is done(${task.outcome ?? "unverified"})${task.reason === null ? "" : `: ${printableLine(task.reason).replace(/\.$/, "")}`}.`));
    output.quote(printable(textOfValue(task.output)));
    return;
  }
  if (output.isJson) return;
  output.warn(`${task.id} is ${task.status}${task.reason === null ? "" : ` (${task.reason})`}: ${printable(task.message ?? "")}`.trimEnd(), `  Next: longhaul show ${task.id}`);
}
