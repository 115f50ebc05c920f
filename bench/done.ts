import type { TaskEnd } from "../src/record/task.ts";

/** What is measured is work that was done. @throws when a task ended otherwise. */
export function assertDone(end: TaskEnd): void {
  if (end.status !== "done") throw new Error(`A task ended ${end.status}, so that nothing was measured: ${JSON.stringify(end)}`);
}
