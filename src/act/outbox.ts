import { type Clock, sleep, type Timer } from "../base/clock.ts";
import { withDeadline } from "../base/deadline.ts";
import { isLonghaulError, LonghaulError, messageOf } from "../base/error.ts";
import type { Random } from "../base/random.ts";
import type { Notifier } from "../notify/notify.ts";
import { computeBackoffDelayMs } from "../policy/backoff.ts";
import type { RecordFields } from "../record/log-record.ts";
import type { Notification } from "../record/notification.ts";
import type { Outbox, OutboxEntry } from "../store/store.ts";
import { isEscalation, toEscalation } from "./escalation.ts";

/**
 * Delivers what waits in the outbox. The store holds the entries, so a restart goes on where the last process stopped.
 *  O1 an entry is attempted until its notifier took it, refused it for good (`retry: "never"`), or its time is over;
 *  O2 no entry is attempted twice at once; those of one notifier go one after the other, in the order in which they were queued: the next one when the one before it was
 *     delivered or given up. One notifier that hangs holds up only its own entries;
 *  O3 a given-up entry is marked, recorded as undelivered and told through the other notifiers; an escalation is not escalated again;
 *  O4 one timer, for the next entry; no polling;
 *  O5 after an outage nothing stale is sent, and no storm comes: what expired is given up together, in one message to the others; what is late is sent at a distance.
 */

export const deliveryDefaults = {
  attemptTimeoutMs: 20_000,
  /** Between attempts: full jitter over 5 s, doubling, up to 10 min. */
  retryBaseMs: 5000,
  retryCapMs: 600_000,
  /** What was queued this long ago, or longer, is late: between two late messages to one notifier at least `lateGapMs` pass. */
  lateAfterMs: 60_000,
  lateGapMs: 1000,
  /** How long a message is tried that its receiver refuses for its own sake, so that it does not hold up those behind it for a day. */
  refusedForMs: 3_600_000,
} as const;

/** Between attempts to read or mark the outbox itself. */
const storeRetryBaseMs = 1000;
const storeRetryCapMs = 60_000;
/** When what is due is not handed out: look again, but do not spin. */
const lookAgainMs = 1000;
/** How long `close` lets deliveries finish. */
const closeGraceMs = 5000;

export interface OutboxSenderOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly outbox: Outbox;
  readonly notifiers: ReadonlyMap<string, Notifier>;
  /** Gets event_type "alert" with result "delivered", "retry" or "undelivered", and "error" when the outbox itself fails. */
  readonly onRecord: (fields: RecordFields) => void;
  /** Puts a notification into the outbox for every notifier but one. Idempotent by `notification.id`. */
  readonly enqueue: (notification: Notification, exceptNotifier: string) => Promise<void>;
  /** Default 20 s. */
  readonly attemptTimeoutMs?: number;
}

export interface OutboxSender {
  /** Something was enqueued. */
  wake(): void;
  /** Resolves when nothing is being delivered: what was due is marked, or waits for its next attempt. */
  settled(): Promise<void>;
  /** Lets deliveries finish for 5 s, then aborts them; these are attempted again after the next start. */
  close(): Promise<void>;
}

/** Starts delivering at once. */
export function createOutboxSender(options: OutboxSenderOptions): OutboxSender {
  return new LiveOutboxSender(options);
}

class LiveOutboxSender implements OutboxSender {
  readonly #options: OutboxSenderOptions;
  readonly #closing = new AbortController();
  /** Entries under way, by id. */
  readonly #underWay = new Map<string, { readonly notifier: string; readonly done: Promise<void> }>();
  /** When a notifier was last given a message, on the monotonic clock. */
  readonly #sentAtMs = new Map<string, number>();
  #timer: Timer | null = null;
  #isClosed = false;
  #isPumping = false;
  #pumpAgain = false;
  #pumped: Promise<void> = Promise.resolve();
  #storeFailures = 0;

  constructor(options: OutboxSenderOptions) {
    this.#options = options;
    this.wake();
  }

  wake(): void {
    if (this.#isClosed) return;
    this.#pumpAgain = true;
    if (!this.#isPumping) this.#pumped = this.#pump();
  }

  async settled(): Promise<void> {
    await this.#pumped;
    while (this.#underWay.size > 0 && !this.#isClosed) {
      await Promise.all([...this.#underWay.values()].map(({ done }) => done));
      await this.#pumped;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#pumped;
    const underWay = Promise.all([...this.#underWay.values()].map(({ done }) => done));
    const grace = this.#options.clock.setTimer(closeGraceMs, () => {
      this.#closing.abort(new LonghaulError("ENGINE_CLOSED", "The outbox was closed during a delivery. It is attempted again after the next start."));
    });
    await underWay;
    grace.cancel();
  }

  /** Starts every delivery that is due and has a place, then sets the timer for the next one. */
  async #pump(): Promise<void> {
    const { clock, outbox } = this.#options;
    this.#isPumping = true;
    let nowMs = clock.now();
    let nextAtMs: number | null = null;
    try {
      while (this.#pumpAgain) {
        this.#pumpAgain = false;
        nowMs = clock.now();
        const due = await outbox.due(nowMs);
        const isOver = ({ expiresAtMs }: OutboxEntry): boolean => expiresAtMs <= nowMs;
        for (const [notifier, entries] of Map.groupBy(due.filter(isOver), (entry) => entry.notifier)) this.#giveUpExpired(notifier, entries);
        for (const entry of due) if (!isOver(entry)) this.#startIfFree(entry);
        nextAtMs = await outbox.nextAtMs();
      }
      this.#storeFailures = 0;
    } catch (error) {
      nextAtMs = clock.now() + 1 + this.#tellStoreFailure("read", error, ++this.#storeFailures);
    }
    this.#isPumping = false;
    this.#arm(nextAtMs, nowMs);
  }

  /** What was due at `nowMs` waits for a place, and is looked at again when a delivery ends; the timer is for what is due later. */
  #arm(nextAtMs: number | null, nowMs: number): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#isClosed || nextAtMs === null) return;
    const isLate = nextAtMs <= nowMs;
    if (isLate && this.#underWay.size > 0) return;
    const delayMs = isLate ? lookAgainMs : nextAtMs - this.#options.clock.now();
    this.#timer = this.#options.clock.setTimer(delayMs, () => this.wake());
  }

  #startIfFree(entry: OutboxEntry): void {
    if (this.#isClosed || [...this.#underWay.values()].some(({ notifier }) => notifier === entry.notifier)) return;
    this.#start([entry], this.#deliver(entry));
  }

  #giveUpExpired(notifier: string, expired: readonly OutboxEntry[]): void {
    const entries = expired.filter(({ id }) => !this.#underWay.has(id));
    const oldest = entries[0];
    if (this.#isClosed || oldest === undefined) return;
    const error = new LonghaulError("NOTIFY_FAILED", `The message was not delivered before its time was over, at ${new Date(oldest.expiresAtMs).toISOString()}. See whether the team was running, and whether "${notifier}" reaches its receiver.`);
    this.#start(entries, this.#giveUp(entries, error, this.#options.clock.now()));
  }

  #start(entries: readonly OutboxEntry[], work: Promise<void>): void {
    const done = work.finally(() => {
      for (const { id } of entries) this.#underWay.delete(id);
      this.wake();
    });
    for (const { id, notifier } of entries) this.#underWay.set(id, { notifier, done });
  }

  async #deliver(entry: OutboxEntry): Promise<void> {
    const { clock, outbox } = this.#options;
    const error = await this.#attempt(entry);
    const atMs = clock.now();
    if (error === null) {
      if (await this.#mark(() => outbox.delivered(entry.id, atMs))) this.#record(entry, "delivered", null);
    } else if (!this.#closing.signal.aborted) await this.#fail(entry, error, atMs);
  }

  async #fail(entry: OutboxEntry, error: unknown, atMs: number): Promise<void> {
    const nextAtMs = this.#computeNextAtMs(entry, error, atMs);
    if (nextAtMs === null) return this.#giveUp([entry], error, atMs);
    const isMarked = await this.#mark(() => this.#options.outbox.failed(entry.id, { atMs, error: messageOf(error), nextAtMs }));
    if (isMarked) this.#record(entry, "retry", messageOf(error));
  }

  /** Late messages keep their distance: whoever was away is not flooded when it is back. */
  async #keepDistance({ notifier, notification }: OutboxEntry): Promise<void> {
    const { clock } = this.#options;
    const { lateAfterMs, lateGapMs } = deliveryDefaults;
    const sinceMs = clock.monotonicMs() - (this.#sentAtMs.get(notifier) ?? Number.NEGATIVE_INFINITY);
    if (clock.now() - notification.atMs >= lateAfterMs && sinceMs < lateGapMs) await sleep(clock, lateGapMs - sinceMs, this.#closing.signal);
    this.#sentAtMs.set(notifier, clock.monotonicMs());
  }

  /** Null when the notifier took it, else why not. */
  async #attempt(entry: OutboxEntry): Promise<unknown> {
    const { clock, notifiers, attemptTimeoutMs: timeoutMs = deliveryDefaults.attemptTimeoutMs } = this.#options;
    const notifier = notifiers.get(entry.notifier);
    if (notifier === undefined) {
      return new LonghaulError("NOTIFIER_UNKNOWN", `The team has no notifier "${entry.notifier}". It has: ${[...notifiers.keys()].join(", ") || "none"}. Add it again, or read the message in its record.`);
    }
    const onTimeout = (): Error => new LonghaulError("NOTIFY_TIMEOUT", `"${entry.notifier}" did not take the message within ${timeoutMs} ms. See whether its receiver is reachable.`, { retry: "backoff" });
    try {
      await this.#keepDistance(entry);
      await withDeadline({ clock, timeoutMs, onTimeout, signal: this.#closing.signal }, (signal) => notifier.send(entry.notification, signal));
      return null;
    } catch (error) {
      return error ?? new Error(`"${entry.notifier}" failed without an error`);
    }
  }

  /** When to try again; null when it is to be given up. */
  #computeNextAtMs(entry: OutboxEntry, error: unknown, atMs: number): number | null {
    const advice = isLonghaulError(error) ? error.retry : "backoff";
    if (advice === "never") return null;
    const { retryBaseMs: baseMs, retryCapMs: capMs, refusedForMs } = deliveryDefaults;
    const isRefused = isLonghaulError(error) && error.details["isMessageRefused"] === true;
    const untilMs = isRefused ? Math.min(entry.expiresAtMs, entry.notification.atMs + refusedForMs) : entry.expiresAtMs;
    const delayMs = advice === "backoff" ? computeBackoffDelayMs({ attempt: entry.attempts + 1, baseMs, capMs, random: this.#options.random }) : Math.max(advice.afterMs, 0);
    return atMs + delayMs < untilMs ? atMs + delayMs : null;
  }

  /** Entries of one notifier. The escalation is made first: a crash in between repeats it, under the same id, instead of losing it. */
  async #giveUp(entries: readonly OutboxEntry[], error: unknown, atMs: number): Promise<void> {
    const { enqueue, outbox } = this.#options;
    const reason = messageOf(error);
    const told = entries.filter(({ notification }) => !isEscalation(notification));
    const [first] = told;
    if (first !== undefined && !(await this.#mark(() => enqueue(toEscalation(told, reason, atMs), first.notifier)))) return;
    for (const entry of entries) {
      if (!(await this.#mark(() => outbox.failed(entry.id, { atMs, error: reason, nextAtMs: null })))) return;
      this.#record(entry, "undelivered", reason);
    }
  }

  /**
   * Until the store has taken it, the entry stays under way: nothing is sent twice because a mark failed. False when closed before that; the
   * entry is attempted again after the next start.
   */
  async #mark(write: () => Promise<void>): Promise<boolean> {
    for (let failures = 1; ; failures++) {
      try {
        await write();
        return true;
      } catch (error) {
        const delayMs = this.#tellStoreFailure("marked", error, failures);
        const isAwake = await sleep(this.#options.clock, delayMs, this.#closing.signal).then(
          () => true,
          () => false,
        );
        if (!isAwake) return false;
      }
    }
  }

  /** Records it, and says how long to wait before the next try. */
  #tellStoreFailure(what: "read" | "marked", error: unknown, failures: number): number {
    this.#options.onRecord({ event_type: "error", result: "error", reason: `The outbox could not be ${what}: ${messageOf(error)}`, data: { failures } });
    return computeBackoffDelayMs({ attempt: failures, baseMs: storeRetryBaseMs, capMs: storeRetryCapMs, random: this.#options.random });
  }

  #record({ id, notifier, notification, attempts }: OutboxEntry, result: "delivered" | "retry" | "undelivered", reason: string | null): void {
    const data = { outboxId: id, notifier, attempts: attempts + 1, notificationId: notification.id, severity: notification.severity, title: notification.title };
    this.#options.onRecord({ event_type: "alert", agent_id: notification.agent, result, reason, data });
  }
}
