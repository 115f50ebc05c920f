import type { Invariant } from "./story-facts.ts";

/** What a run registered is undone when it ended other than done, last to first and all of it; and nothing of a run that is done. */
export const everyRunIsUndone: Invariant = ({ file }) => {
  const tasks = new Map(file.tasks.map((task) => [task.id, task]));
  const namesOf = (runId: string, kind: string): readonly string[] => file.journal.filter(({ key, outcome }) => key.startsWith(`${runId}/${kind}/`) && outcome.startsWith('{"ok":true')).map(({ key }) => key.split("/")[2] ?? "");
  return file.tasks.filter(({ id }) => !id.startsWith("c_")).flatMap(({ id, runId, status }) => {
    if (runId === null) return [];
    const registered = namesOf(runId, "compensate");
    const compensation = tasks.get(`c_${runId}`);
    if (status === "done") return compensation === undefined ? [] : [`task ${id} is done, and task ${compensation.id} undoes it`];
    if (registered.length === 0) return [];
    if (compensation === undefined) return [`task ${id} is ${status}, and nothing undoes ${registered.join(", ")}`];
    const undone = namesOf(`r_c_${runId}`, "compensation");
    const told = namesOf(`r_c_${runId}`, "compensate");
    const lost = registered.filter((name) => !undone.includes(name)).map((name) => `${name} of task ${id} was not undone`);
    return undone.join() === told.toReversed().join() ? lost : [...lost, `task ${id} registered ${told.join(", ")}, and this was undone: ${undone.join(", ")}`];
  });
};
