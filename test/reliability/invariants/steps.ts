import { eventsOf, groupBy, type WorldEvent } from "../world.ts";
import type { Invariant } from "./story-facts.ts";

/** A step that is in the journal when a process opens it, or whose outcome durable code was given, is never executed again. */
export const noCompletedStepExecutes: Invariant = ({ log }) => {
  const completed = new Set<string>();
  return log.flatMap((event) => {
    if (event.type === "opened") for (const key of event.journaled) completed.add(key);
    if (event.type === "observed") completed.add(event.key);
    return event.type === "began" && completed.has(event.key) ? [`step ${event.key} executed again in session ${event.session} although it was completed`] : [];
  });
};

/** Two attempts of one step do not execute at the same time in one life of the process. */
export const noStepExecutesTwiceAtOnce: Invariant = ({ log }) => {
  const executing = new Set<string>();
  return log.flatMap((event) => {
    if (event.type !== "began" && event.type !== "ended") return [];
    const place = `${event.session} ${event.key}`;
    if (event.type === "ended") executing.delete(place);
    else if (executing.has(place)) return [`step ${event.key} executed twice at once in session ${event.session}`];
    else executing.add(place);
    return [];
  });
};

/** At every replay durable code is given what it was given before. */
export const outcomesNeverChange: Invariant = ({ log }) =>
  [...groupBy(eventsOf(log, "observed"), ({ key }) => key)].flatMap(([key, events]) => {
    const values = new Set(events.map(({ value }) => value));
    return values.size > 1 ? [`the outcome of ${key} changed: ${[...values].join(" | ")}`] : [];
  });

/** In every life of the process a run is given its outcomes in the order of the journal, from its beginning. */
export const outcomesComeInOrder: Invariant = ({ log, file }) => {
  const places = new Map(file.journal.map(({ key, seq }) => [key, seq]));
  const given = groupBy(eventsOf(log, "observed"), ({ session, runId }) => `${session} ${runId}`);
  return [...given].flatMap(([place, events]) => replaysOf(events).flatMap((replay) => {
    const order = replay.map(({ key }) => places.get(key) ?? 0);
    return order.every((seq, index) => index === 0 || seq > (order[index - 1] ?? 0)) ? [] : [`run ${place.split(" ")[1] ?? ""} was given its outcomes out of order in session ${place.split(" ")[0] ?? ""}: ${order.join(", ")}`];
  }));
};

/** A signal that was acknowledged is not overtaken by the time limit of the wait that it answers. */
export const everySignalArrives: Invariant = ({ log, file, actions }) => {
  // By a wall clock that is set, nobody can say what came first.
  if (eventsOf(log, "stepped").length > 0) return [];
  return actions.flatMap((action) => {
    if (action.type !== "signal") return [];
    const acknowledged = eventsOf(log, "acted").find((event) => event.action === action.id);
    const { runId, done } = (acknowledged?.result ?? {}) as { readonly runId?: string; readonly done?: boolean };
    const wait = file.journal.find(({ key }) => key === `${runId ?? ""}/wait/${action.name}/1`);
    const isLost = done === true && acknowledged !== undefined && wait !== undefined && wait.completedAtMs > acknowledged.atMs && wait.outcome.includes('"by":"timer"');
    return isLost ? [`the signal ${action.id} was acknowledged, and ${wait.key} ran into its time limit ${wait.completedAtMs - acknowledged.atMs} ms later`] : [];
  });
};

/** A run that was suspended is replayed in the same life of the process: its first outcome comes again. */
function replaysOf<Event extends WorldEvent & { readonly key: string }>(events: readonly Event[]): readonly (readonly Event[])[] {
  const replays: Event[][] = [];
  let seen = new Set<string>();
  for (const event of events) {
    if (replays.length === 0 || seen.has(event.key)) {
      replays.push([]);
      seen = new Set();
    }
    seen.add(event.key);
    replays.at(-1)?.push(event);
  }
  return replays;
}
