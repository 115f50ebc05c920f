import { eventsOf, groupBy } from "../world.ts";
import type { Invariant } from "./story-facts.ts";

const runOf = (key: string): string => key.split("/")[0] ?? "";

/** What must not happen twice happens once in a run, and is called again only after somebody looked and saw that it had not happened. */
export const onceHappensOnce: Invariant = ({ log }) => {
  const once = eventsOf(log, "happened").filter(({ effect }) => effect === "once");
  const twice = [...groupBy(once, ({ key, tool, input }) => `${runOf(key)} ${tool} ${input}`)].filter(([, events]) => events.length > 1).map(([what, { length }]) => `${what} happened ${length} times`);
  const mayCall = new Map<string, boolean>();
  const blind = log.flatMap((event) => {
    if (event.type === "reconciled" && !event.happened) mayCall.set(event.key, true);
    if (event.type === "decided" && event.decision === "retry") mayCall.set(event.key, true);
    if (event.type !== "called" || event.effect !== "once") return [];
    const isAllowed = mayCall.get(event.key) ?? true;
    mayCall.set(event.key, false);
    return isAllowed ? [] : [`the once call ${event.key} was made again in session ${event.session} without a look`];
  });
  return [...twice, ...blind];
};

/** Every attempt of one call has the same key, so that a service that knows idempotency keys can tell. */
export const callsKeepTheirKeys: Invariant = ({ log }) =>
  [...groupBy(eventsOf(log, "called").filter(({ effect }) => effect === "idempotent"), ({ key, tool, input }) => `${runOf(key)} ${tool} ${input}`)].flatMap(([what, events]) => {
    const keys = new Set(events.map(({ key }) => key));
    return keys.size > 1 ? [`${what} was called under ${keys.size} keys`] : [];
  });

/** Every effect that happened is closed in the ledger when its task has ended, and none stays an intent. */
export const everyIntentIsClosed: Invariant = ({ log, file }) => {
  const ended = new Set(file.tasks.filter(({ end }) => end?.status === "done").map(({ runId }) => runId));
  const states = new Map(file.effects.map(({ key, state }) => [key, state]));
  const open = file.effects.filter(({ key, state }) => state === "intended" && ended.has(runOf(key))).map(({ key }) => `the intent of ${key} was never closed`);
  const forgotten = eventsOf(log, "happened").filter(({ effect, key }) => effect === "once" && ended.has(runOf(key)) && states.get(key) !== "completed").map(({ key }) => `${key} happened, and the ledger does not know`);
  return [...open, ...forgotten];
};
