import type { Notification } from "../record/notification.ts";
import type { OutboxEntry } from "../store/store.ts";

/** Of messages that are given up together, so many are named, and so many told by their ids. */
const namedMax = 20;
const idsMax = 100;

/** Tells of notifications that one notifier could not deliver: of a single one with its text, so that nothing is lost. The same first entry gives the same id. */
export function toEscalation(entries: readonly OutboxEntry[], reason: string, atMs: number): Notification {
  const [first] = entries;
  if (first === undefined) throw new Error("there is nothing to escalate");
  const { id, notifier, notification, attempts } = first;
  const isCritical = entries.some((entry) => entry.notification.severity === "critical");
  const told = entries.length === 1
    ? { title: `${notifier} could not deliver "${notification.title}"`, text: `Given up after attempt ${attempts + 1}: ${reason}\nNext: mend the notifier "${notifier}". The message was:\n${notification.text}` }
    : { title: `${notifier} could not deliver ${entries.length} messages`, text: `Given up: ${reason}\nNext: mend the notifier "${notifier}". The messages were:\n${list(entries)}` };
  return {
    ...told,
    id: `undelivered/${id}`,
    atMs,
    team: notification.team,
    agent: entries.length === 1 ? notification.agent : null,
    severity: isCritical ? "critical" : "warning",
    data: { escalationOf: notification.id, notifier, undelivered: entries.length === 1 ? notification.data : entries.slice(0, idsMax).map((entry) => entry.notification.id) },
  };
}

function list(entries: readonly OutboxEntry[]): string {
  const lines = entries.slice(0, namedMax).map(({ notification: { atMs, severity, title } }) => `${new Date(atMs).toISOString()} [${severity}] ${title}`);
  return [...lines, ...(entries.length > namedMax ? [`and ${entries.length - namedMax} more`] : [])].join("\n");
}

/** True for a notification made by `toEscalation`. It is never escalated itself: two dead notifiers would write each other for ever. */
export function isEscalation({ data }: Notification): boolean {
  return "escalationOf" in data;
}
