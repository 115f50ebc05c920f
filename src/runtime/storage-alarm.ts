import type { Clock, Timer } from "../base/clock.ts";
import { withDeadline } from "../base/deadline.ts";
import { formatDuration } from "../base/duration.ts";
import { messageOf } from "../base/error.ts";
import type { Notifier } from "../notify/notify.ts";
import type { Notification } from "../record/notification.ts";

export interface StorageAlarmOptions {
  readonly clock: Clock;
  readonly team: string;
  /** What takes no writes, "its data file", and what people do about it. */
  readonly storage: { readonly name: string; readonly next: string };
  readonly ids: (prefix: string) => string;
  readonly notifiers: readonly Notifier[];
  readonly print: (line: string) => void;
}

/** Tells people that the data file, or the database, takes no writes. It goes past the outbox, which is in that very place. */
export interface StorageAlarm {
  /** What became of a group of writes: null when it is on disk. */
  readonly outcome: (failure: Error | null) => void;
  /** Since when nothing could be written; null while all is well. */
  readonly failingSinceMs: number | null;
  /** When it last took writes again; null when it always did. */
  readonly mendedAtMs: number | null;
  close(): void;
}

/** A file that takes nothing for this long is told of; a lock or a short lack of space passes by itself. */
const tellAfterMs = 10_000;
const tellAgainMs = 14_400_000;
const sendTimeoutMs = 20_000;

/** Where a team's data may be. */
export const dataFile = { name: "its data file", next: "make room on the disk, or mend what the message names." } as const;
export const database = { name: "its database", next: "see that PostgreSQL runs, has room and is reached from here, or mend what the message names." } as const;

export function createStorageAlarm(options: StorageAlarmOptions): StorageAlarm {
  const { clock, team, storage, print } = options;
  let failing: { readonly sinceMs: number; message: string; isTold: boolean; timer: Timer } | null = null;
  let mendedAtMs: number | null = null;

  const tell = (fields: Pick<Notification, "severity" | "title" | "text">): void => {
    const notification: Notification = { ...fields, id: options.ids("n"), atMs: clock.now(), team, agent: null, data: {} };
    for (const notifier of options.notifiers) {
      const onTimeout = (): Error => new Error(`took longer than ${formatDuration(sendTimeoutMs)}`);
      withDeadline({ clock, timeoutMs: sendTimeoutMs, onTimeout }, (signal) => notifier.send(notification, signal)).catch((error: unknown) => print(`${notifier.name} could not deliver "${fields.title}": ${messageOf(error)}`));
    }
  };
  const tellFailing = (): void => {
    if (failing === null) return;
    failing.isTold = true;
    const sinceMs = clock.now() - failing.sinceMs;
    tell({
      severity: "critical",
      title: `${team} cannot write ${storage.name}`,
      text: `For ${formatDuration(sinceMs)} nothing could be written: ${failing.message}. No step is completed and no task is taken meanwhile; nothing that was written is lost.\nNext: ${storage.next} It goes on by itself.`,
    });
    failing.timer = clock.setTimer(tellAgainMs, tellFailing);
  };
  return {
    outcome(failure) {
      if (failure === null) {
        failing?.timer.cancel();
        if (failing?.isTold === true) tell({ severity: "resolved", title: `${team} writes ${storage.name} again`, text: `It could not for ${formatDuration(clock.now() - failing.sinceMs)}.` });
        if (failing !== null) mendedAtMs = clock.now();
        failing = null;
      } else if (failing === null) failing = { sinceMs: clock.now(), message: failure.message, isTold: false, timer: clock.setTimer(tellAfterMs, tellFailing) };
      else failing.message = failure.message;
    },
    get failingSinceMs() {
      return failing?.sinceMs ?? null;
    },
    get mendedAtMs() {
      return mendedAtMs;
    },
    close() {
      failing?.timer.cancel();
      failing = null;
    },
  };
}
