import { isEnded, isLegalTransition, type TaskStatus } from "../../../src/record/task.ts";
import { eventsOf, groupBy } from "../world.ts";
import type { Invariant } from "./story-facts.ts";

/** What was submitted has ended as it should, and nothing is left open. */
export const everyTaskEnds: Invariant = ({ log, file, actions }) => {
  const open = file.tasks.filter(({ status }) => !isEnded(status)).map(({ id, status, waitingReason }) => `task ${id} is still ${status}(${waitingReason ?? ""})`);
  const statuses = new Map(file.tasks.map((task) => [task.id, task]));
  const acknowledged = new Map(eventsOf(log, "acted").map(({ action, result }) => [action, result as { readonly taskId?: string } | null]));
  const wrong = actions.flatMap((action) => {
    if (action.type !== "submit") return [];
    const task = statuses.get(acknowledged.get(action.id)?.taskId ?? "");
    const { ends = ["done"] } = action;
    if (task === undefined) return [`the submission ${action.id} led to no task`];
    return ends.includes(task.status) ? [] : [`task ${task.id} of ${action.id} is ${task.status} instead of ${ends.join(" or ")}: ${JSON.stringify(task.end)}`];
  });
  return [...open, ...wrong];
};

/** A key leads to one task, whoever submits it and how often; and a task that nobody restarted has one run. */
export const everyTaskStartsOnce: Invariant = ({ log, file, actions }) => {
  const twice = [...groupBy(file.tasks.filter(({ key }) => key !== null), ({ key }) => String(key))]
    .filter(([, tasks]) => tasks.length > 1)
    .map(([key, tasks]) => `key ${key} started ${tasks.length} tasks: ${tasks.map(({ id }) => id).join(", ")}`);
  const restarted = new Set(eventsOf(log, "acted").filter(({ action }) => actions.some(({ id, type }) => id === action && type === "restart")).map(({ result }) => (result as { readonly taskId?: string } | null)?.taskId));
  const runs = [...groupBy(file.runs, ({ taskId }) => taskId)]
    .filter(([taskId, { length }]) => length > (restarted.has(taskId) ? 2 : 1))
    .map(([taskId, { length }]) => `task ${taskId} has ${length} runs`);
  const answers = actions.flatMap((action) => (action.type === "submit" ? [{ key: action.key, taskId: taskOf(log, action.id) }] : []));
  const apart = [...groupBy(answers, ({ key }) => key)].filter(([, group]) => new Set(group.map(({ taskId }) => taskId)).size > 1).map(([key]) => `clients of key ${key} were told of different tasks`);
  return [...twice, ...runs, ...apart];
};

function taskOf(log: Parameters<Invariant>[0]["log"], action: string): string | undefined {
  return (eventsOf(log, "acted").find((event) => event.action === action)?.result as { readonly taskId?: string } | null | undefined)?.taskId;
}

/** The records tell of legal changes of status only, and end where the task is. */
export const everyStatusIsLegal: Invariant = ({ file }) => {
  const records = file.records.filter(({ eventType, taskId }) => eventType === "task" && taskId !== null);
  const told = groupBy(records, ({ taskId }) => String(taskId));
  return file.tasks.flatMap((task) => {
    const statuses = (told.get(task.id) ?? []).map(({ result }) => String(result).replace(/\(.*$/s, "") as TaskStatus);
    const illegal = statuses.flatMap((status, index) => {
      const from = statuses[index - 1];
      if (from === undefined) return status === "queued" ? [] : [`task ${task.id} begins as ${status}`];
      return isLegalTransition(from, status) ? [] : [`task ${task.id} went from ${from} to ${status}`];
    });
    const last = statuses.at(-1);
    return last === task.status ? illegal : [...illegal, `task ${task.id} is ${task.status}, and its last record says ${last ?? "nothing"}`];
  });
};

/** A drain leaves nothing executing and counts as nobody's crash. Only crashes are counted, each once. */
export const drainsLoseNothing: Invariant = ({ log, file }) => {
  const left = eventsOf(log, "drained").filter(({ isFull, running }) => !isFull && running > 0).map(({ session, running }) => `${running} tasks were still running after the drain of session ${session}`);
  const final = file.tasks.reduce((sum, task) => sum + task.recoveries, 0);
  // Whoever opens the file after a drain has nothing to recover: what was counted then is what is counted at the next look.
  const looks = [...eventsOf(log, "opened", "drained"), { type: "closed" as const, recoveries: final }];
  const counted = looks.flatMap((look, index) => {
    const [opened, next] = [looks[index + 1], looks[index + 2]];
    const isCounted = look.type === "drained" && !look.isFull && opened?.type === "opened" && next !== undefined && next.recoveries !== opened.recoveries;
    return isCounted ? [`the drain of session ${look.session} was counted as a crash`] : [];
  });
  const crashes = eventsOf(log, "crashed").length + eventsOf(log, "drained").filter(({ isFull }) => isFull).length;
  const tooMany = file.tasks.filter((task) => task.recoveries > crashes).map(({ id, recoveries }) => `task ${id} was recovered ${recoveries} times in ${crashes} crashes`);
  return [...left, ...counted, ...tooMany];
};
