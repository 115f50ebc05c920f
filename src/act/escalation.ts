import type { Notification } from "../record/notification.ts";
import type { OutboxEntry } from "../store/store.ts";

/** Tells of a notification that could not be delivered, with its text, so that nothing is lost. The same entry gives the same id. */
export function toEscalation({ id, notifier, notification, attempts }: OutboxEntry, reason: string, atMs: number): Notification {
  return {
    id: `undelivered/${id}`,
    atMs,
    team: notification.team,
    agent: notification.agent,
    severity: notification.severity === "critical" ? "critical" : "warning",
    title: `${notifier} could not deliver "${notification.title}"`,
    text: `Given up after attempt ${attempts + 1}: ${reason}\nNext: mend the notifier "${notifier}". The message was:\n${notification.text}`,
    data: { escalationOf: notification.id, notifier, undelivered: notification.data },
  };
}

/** True for a notification made by `toEscalation`. It is never escalated itself: two dead notifiers would write each other for ever. */
export function isEscalation({ data }: Notification): boolean {
  return "escalationOf" in data;
}
