import { toLogRecord } from "../record/log-record.ts";
import type { Notification } from "../record/notification.ts";
import type { WorkerEnd } from "../record/worker-end.ts";
import type { Write } from "../record/write.ts";
import { toOutbox } from "./alerting.ts";
import { type TeamParts, teamRecord } from "./team-parts.ts";

/** What is written when a process begins to work: how those before it ended that could not write it themselves, what people are told of that, and that it began. */
export function startWrites(parts: TeamParts): readonly Write[] {
  const { workers, options, notifiers, clock } = parts;
  const before = options.workersBefore ?? [];
  const last = before.at(-1);
  const reason = last === undefined ? null : `the worker before this one ${last.reason}`;
  return [
    ...before.filter(({ how }) => how !== "recycled").map((end) => toStopRecord(parts, end)),
    // With the records: whoever sends them on a cluster does not know of these ends.
    ...describeEnds(parts).flatMap((notification) => toOutbox(notification, notifiers.keys(), clock.now())),
    teamRecord(parts, { event_type: "start", result: "started", reason, data: { agents: [...workers.keys()], ...(last === undefined ? {} : { after: last.how }) } }),
  ];
}

/** The id is of that end: a process that ended before it knew that this was written has not counted it twice. */
function toStopRecord({ name }: TeamParts, { how, pid, atMs, reason, crashes, skipped }: WorkerEnd): Write {
  const more = skipped === 0 ? "" : `; ${skipped} more before it are only counted`;
  return { type: "record", record: toLogRecord(endId("e", pid, atMs), atMs, name, { event_type: "stop", result: how, reason: `the worker${pid === null ? "" : ` (process ${pid})`} ${reason}${more}`, data: { pid, crashesWithinHour: crashes, ...(skipped === 0 ? {} : { skipped }) } }) };
}

function endId(kind: "e" | "n", pid: number | null, atMs: number): string {
  return `${kind}-worker-${pid ?? "none"}-${Math.floor(atMs)}`;
}

/** What people are told of a process that ends though nobody asked it to, when none is known to follow it. */
export function describeEnding({ name, clock, ids, data }: Pick<TeamParts, "name" | "clock" | "ids" | "data">, reason: string): Notification {
  const { worker = null } = data.shared ?? {};
  const who = worker === null ? name : `A worker of ${name}`;
  const kept = worker === null ? "its work is kept" : `other workers go on with what it leaves: it is ${worker}`;
  const text = `Steps under way may finish, and ${kept}. Nobody starts it again, unless a service manager does. Next: longhaul start team.ts`;
  return { id: ids("n"), atMs: clock.now(), team: name, agent: null, severity: "critical", title: `${who} stops: ${reason}`, text, data: { worker } };
}

/** A process that begins to work later than this after the last end tells old stories. */
const newsMs = 600_000;

/** What people are told of the processes before this one. */
export function describeEnds({ name, clock, options }: Pick<TeamParts, "name" | "clock" | "options">): readonly Notification[] {
  const nowMs = clock.now();
  const before = options.workersBefore ?? [];
  if (nowMs - (before.at(-1)?.atMs ?? nowMs) >= newsMs) return [];
  return before
    .filter(({ news }) => news !== null)
    .map(({ pid, atMs, reason, crashes, how, news }) => ({
      id: endId("n", pid, atMs),
      atMs: nowMs,
      team: name,
      agent: null,
      severity: news === "first" ? "warning" : "critical",
      title: news === "first" ? `The worker of ${name} ${reason}` : `The worker of ${name} crashed ${crashes} times within an hour, and does not mend itself; the last one ${reason}`,
      text: "It was started again, and goes on. Next: longhaul logs --type stop says how each ended, longhaul runs in how many crashes each task was executing.",
      data: { pid, how, crashesWithinHour: crashes },
    }));
}
