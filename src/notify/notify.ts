import type { Notification } from "../record/notification.ts";

/** The port of telling a human. Throws when the message certainly or possibly did not arrive; the outbox tries again. */
export interface Notifier {
  readonly name: string;
  send(notification: Notification, signal: AbortSignal): Promise<void>;
}
