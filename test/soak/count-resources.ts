/** What this process holds open, by kind, and who listens to it. */
export type Resources = Readonly<Record<string, number>>;

/** Handles and requests that keep the event loop alive (sockets, pipes, servers, timers, child processes), and listeners of the process. */
export function countResources(): Resources {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  for (const event of process.eventNames()) counts[`process "${String(event)}"`] = process.listenerCount(event);
  return counts;
}

/** What there is more of. */
export function moreThan(before: Resources, after: Resources): Resources {
  return Object.fromEntries(Object.entries(after).flatMap(([kind, count]) => (count > (before[kind] ?? 0) ? [[kind, count - (before[kind] ?? 0)]] : [])));
}
