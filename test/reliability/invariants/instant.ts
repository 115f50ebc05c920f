import type { FileState } from "../file-state.ts";
import { eventsOf, type WorldEvent } from "../world.ts";

/** What must hold at every instant at which a process may die: what somebody was told, or acted upon, is in the file. */
export function findInstantViolations(log: readonly WorldEvent[], file: FileState): readonly string[] {
  return [...file.problems, ...findLostTasks(log, file), ...findLostOutcomes(log, file), ...findMissingIntents(log, file), ...findUnreservedBills(log, file)];
}

/** A task whose start was acknowledged, to a client or to durable code, is in the file. */
export function findLostTasks(log: readonly WorldEvent[], file: FileState): readonly string[] {
  const known = new Set(file.tasks.map(({ id }) => id));
  const acknowledged = eventsOf(log, "acted").flatMap(({ action, result }) => {
    const taskId = (result as { readonly taskId?: unknown } | null)?.taskId;
    return typeof taskId === "string" ? [{ taskId, whom: `the client (${action})` }] : [];
  });
  const told = eventsOf(log, "started").map(({ taskId, by }) => ({ taskId, whom: by }));
  return [...acknowledged, ...told].filter(({ taskId }) => !known.has(taskId)).map(({ taskId, whom }) => `task ${taskId} is lost: ${whom} was told that it exists`);
}

/** An outcome that durable code was given is in the journal, the same. */
export function findLostOutcomes(log: readonly WorldEvent[], file: FileState): readonly string[] {
  const journal = new Map(file.journal.map(({ key, outcome }) => [key, outcome]));
  return eventsOf(log, "observed").flatMap(({ key, value }) => {
    const outcome = journal.get(key);
    if (outcome === undefined) return [`the outcome of ${key} is lost: durable code was given ${value}`];
    return isToldAsItIs(key) && !isSame(outcome, value) ? [`the outcome of ${key} is ${outcome} in the journal, and durable code was given ${value}`] : [];
  });
}

/** The intent of every `once` call that was made is in the file. */
export function findMissingIntents(log: readonly WorldEvent[], file: FileState): readonly string[] {
  const intents = new Set(file.effects.map(({ key }) => key));
  const called = new Set(eventsOf(log, "called").filter(({ effect }) => effect === "once").map(({ key }) => key));
  // Until it is made again, a call that a human has to be made again has no intent.
  const isWithdrawn = (key: string): boolean => eventsOf(log, "called", "decided").findLast((event) => event.key === key)?.type === "decided";
  return [...called].filter((key) => !intents.has(key) && !isWithdrawn(key)).map((key) => `the once call ${key} was made without an intent in the file`);
}

/** Money was set aside for every call that a provider put on its bill. */
export function findUnreservedBills(log: readonly WorldEvent[], file: FileState): readonly string[] {
  const reserved = new Set(file.reservations.map(({ stepKey }) => stepKey));
  return eventsOf(log, "billed").filter(({ key }) => !reserved.has(key)).map(({ key }) => `the model call ${key} was billed and no money was set aside for it`);
}

/** Durable code is told of the others in a form of their own. */
function isToldAsItIs(key: string): boolean {
  return ["code", "transaction", "send", "publish"].includes(key.split("/")[1] ?? "");
}

function isSame(outcome: string, value: string): boolean {
  const { ok, value: stored, failure } = JSON.parse(outcome) as { readonly ok: boolean; readonly value?: unknown; readonly failure?: { readonly message?: string } };
  return ok ? (JSON.stringify(stored) ?? "null") === value : value === `failed: ${failure?.message ?? ""}`;
}
