import { isJsonObject } from "../base/json.ts";
import type { Failure } from "../record/failure.ts";
import type { Run } from "../record/run.ts";
import type { Task } from "../record/task.ts";

/** What a run that its code no longer fits held and was asked for, and what to type. */
export interface Mismatch {
  readonly expected: string;
  readonly came: string;
  readonly message: string;
  /** Commands, and what each of them does. */
  readonly waysOn: readonly { readonly command: string; readonly does: string }[];
}

/** Of a task that waits with code-mismatch; null of any other. */
export function toMismatch(task: Task, run: Run | undefined): Mismatch | null {
  const failure = run?.mismatch ?? null;
  if (task.waitingReason !== "code-mismatch" || failure === null) return null;
  const { expected, came } = failure.details;
  return { expected: String(expected), came: String(came), message: failure.message, waysOn: listWaysOn(task.id, failure) };
}

function listWaysOn(taskId: string, { details }: Failure): Mismatch["waysOn"] {
  const restart = { command: `longhaul restart ${taskId}`, does: "begins again at the first step; what its steps did, they do again" };
  const step = details["expectedStep"];
  // Of a journal that this version cannot read at all, no step can be told from another.
  if (!isJsonObject(step)) return [restart];
  const number = Number(step["number"]);
  return [
    restart,
    { command: `longhaul fork ${taskId} --from ${number}`, does: number === 1 ? "begins again at step 1" : `begins again at step ${number}; the steps before it are served` },
    { command: `longhaul skip ${taskId}`, does: "goes on: new steps are executed, journaled ones are served when the code asks for them and left out when not" },
  ];
}

/** For people. */
export function formatWaysOn({ waysOn }: Mismatch): readonly string[] {
  const width = Math.max(...waysOn.map(({ command }) => command.length));
  return [
    "The code no longer takes the steps that the journal of this run holds; other runs go on. Ways on:",
    ...waysOn.map(({ command, does }) => `  ${command.padEnd(width)}  ${does}`),
    "Or start the team with the code that the run began with: it goes on by itself.",
  ];
}
