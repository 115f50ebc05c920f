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
 *  O2 no entry is attempted twice at once, and one notifier that hangs holds up only its own entries;
 *  O3 a given-up entry is marked, recorded as undelivered and told through the other notifiers; an escalation is not escalated again;
 *  O4 one timer, for the next entry; no polling.
 */

const deliveryDefaults = {
  /** Of each notifier at once. */
  concurrencyPerNotifier: 2,
  attemptTimeoutMs: 20_000,
  /** Between attempts: full jitter over 5 s, doubling, up to 10 min. */
  retryBaseMs: 5000,
  retryCapMs: 600_000,
} as const;

/** Between attempts to read or mark the outbox itself. */
const storeRetryBaseMs = 1000;
const storeRetryCapMs = 60_000;
/** When what is due is not handed out: look again, but do not spin. */
const lookAgainMs = 1000;
/** So many failures in a row, and a notifier's other entries are put off without an attempt, so that they do not crowd the outbox's due ones. */
const failuresInRowMax = 3;
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
  /** Default 2. */
  readonly concurrencyPerNotifier?: number;
  /** Default 20 s. */
  readonly attemptTimeoutMs?: number;
}

export interface OutboxSender {
  /** Something was enqueued. */
  wake(): void;
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
  readonly #underWay = new Map<string, { readonly notifier: string | null; readonly done: Promise<void> }>();
  /** Failures in a row, by notifier. */
  readonly #failures = new Map<string, number>();
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
        for (const entry of due) this.#startIfFree(entry);
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
    const { concurrencyPerNotifier = deliveryDefaults.concurrencyPerNotifier } = this.#options;
    if (this.#isClosed || this.#underWay.has(entry.id)) return;
    const busy = [...this.#underWay.values()].filter(({ notifier }) => notifier === entry.notifier).length;
    if (busy < concurrencyPerNotifier) this.#start(entry, entry.notifier, this.#deliver(entry));
    else if ((this.#failures.get(entry.notifier) ?? 0) >= failuresInRowMax) this.#start(entry, null, this.#postpone(entry));
  }

  /** `place` is the notifier of which the work takes a place, null for none. */
  #start(entry: OutboxEntry, place: string | null, work: Promise<void>): void {
    const done = work.finally(() => {
      this.#underWay.delete(entry.id);
      this.wake();
    });
    this.#underWay.set(entry.id, { notifier: place, done });
  }

  async #deliver(entry: OutboxEntry): Promise<void> {
    const { clock, outbox } = this.#options;
    const error = await this.#attempt(entry);
    const atMs = clock.now();
    if (error === null) {
      this.#failures.delete(entry.notifier);
      if (await this.#mark(() => outbox.delivered(entry.id, atMs))) this.#record(entry, "delivered", null);
    } else if (!this.#closing.signal.aborted) {
      this.#failures.set(entry.notifier, (this.#failures.get(entry.notifier) ?? 0) + 1);
      await this.#fail(entry, error, atMs);
    }
  }

  #postpone(entry: OutboxEntry): Promise<void> {
    const error = new LonghaulError("NOTIFY_FAILED", `Not attempted: "${entry.notifier}" failed ${this.#failures.get(entry.notifier)} times in a row. See whether its receiver is reachable.`, { retry: "backoff" });
    return this.#fail(entry, error, this.#options.clock.now());
  }

  async #fail(entry: OutboxEntry, error: unknown, atMs: number): Promise<void> {
    const nextAtMs = this.#computeNextAtMs(entry, error, atMs);
    if (nextAtMs === null) return this.#giveUp(entry, error, atMs);
    const isMarked = await this.#mark(() => this.#options.outbox.failed(entry.id, { atMs, error: messageOf(error), nextAtMs }));
    if (isMarked) this.#record(entry, "retry", messageOf(error));
  }

  /** Null when the notifier took it, else why not. */
  async #attempt(entry: OutboxEntry): Promise<unknown> {
    const { clock, notifiers, attemptTimeoutMs: timeoutMs = deliveryDefaults.attemptTimeoutMs } = this.#options;
    const notifier = notifiers.get(entry.notifier);
    if (notifier === undefined) {
      return new LonghaulError("NOTIFIER_UNKNOWN", `The team has no notifier "${entry.notifier}". It has: ${[...notifiers.keys()].join(", ") || "none"}. Add it again, or read the message in its record.`);
    }
    if (clock.now() >= entry.expiresAtMs) {
      return new LonghaulError("NOTIFY_FAILED", `The message was not delivered before its time was over, at ${new Date(entry.expiresAtMs).toISOString()}. See whether the team was running.`);
    }
    const onTimeout = (): Error => new LonghaulError("NOTIFY_TIMEOUT", `"${entry.notifier}" did not take the message within ${timeoutMs} ms. See whether its receiver is reachable.`, { retry: "backoff" });
    try {
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
    const { retryBaseMs: baseMs, retryCapMs: capMs } = deliveryDefaults;
    const delayMs = advice === "backoff" ? computeBackoffDelayMs({ attempt: entry.attempts + 1, baseMs, capMs, random: this.#options.random }) : Math.max(advice.afterMs, 0);
    return atMs + delayMs < entry.expiresAtMs ? atMs + delayMs : null;
  }

  /** The escalation is made first: a crash in between repeats it, under the same id, instead of losing it. */
  async #giveUp(entry: OutboxEntry, error: unknown, atMs: number): Promise<void> {
    const reason = messageOf(error);
    const isMarked = await this.#mark(async () => {
      if (!isEscalation(entry.notification)) await this.#options.enqueue(toEscalation(entry, reason, atMs), entry.notifier);
      await this.#options.outbox.failed(entry.id, { atMs, error: reason, nextAtMs: null });
    });
    if (isMarked) this.#record(entry, "undelivered", reason);
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
