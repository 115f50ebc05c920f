import { setWallTimer, type Timer } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";
import type { JsonObject } from "../base/json.ts";
import type { Random } from "../base/random.ts";
import type { ReceiptResult } from "../record/receipt.ts";
import { firePoll } from "./fire-poll.ts";
import { fireSchedule } from "./fire-schedule.ts";
import { type DueFiring, type FiringEnd, type FiringPorts, toStateWrite } from "./firing.ts";
import { computeCatchUpDelays, computeNextAfter, computePeriodMs } from "./next-firing.ts";
import type { Registration, TimedTrigger } from "./registration.ts";
import { adoptState, toStateAfterJumpBack, type TriggerState } from "./trigger-state.ts";

export interface SchedulerOptions extends Omit<FiringPorts, "signal"> {
  readonly random: Random;
  /** Of all kinds; those that do not fire by the clock are left out. */
  readonly registrations: readonly Registration[];
  /** What the triggers remember, by trigger id. */
  readonly states: ReadonlyMap<string, JsonObject>;
  /** Told when the team could not be reached; the firing is tried again. */
  readonly onError: (error: unknown, triggerId: string) => void;
}

/** One firing and what became of it. */
export interface Fired {
  readonly triggerId: string;
  readonly dueAtMs: number;
  readonly result: ReceiptResult;
}

/** Fires the triggers that go by the clock. */
export interface Scheduler {
  /** Makes the first instant of each new trigger durable and begins to fire. */
  open(): Promise<void>;
  /** Fires what is due now, at most 1,000 triggers, and resolves when that is done. Its own timer calls it; tests may. */
  tick(): Promise<readonly Fired[]>;
  /** The next instant at which something fires; null when nothing will. */
  readonly nextAtMs: number | null;
  /** Stops firing. What was under way and had not committed fires again after the next start, under the same key. */
  close(): Promise<void>;
}

export function createScheduler(options: SchedulerOptions): Scheduler {
  return new TriggerScheduler(options);
}

/** Firings that are under way at most. */
const firingsMax = 1000;
/** A firing that is later than this was missed: its make-up waits its turn. */
const missedAfterMs = 10_000;
/** A clock that goes back by no more than this is merely being adjusted. */
const jumpMsMin = 1000;
const retryBaseMs = 1000;
const retryMaxMs = 60_000;

interface Entry {
  readonly registration: Registration<TimedTrigger>;
  state: TriggerState;
  isFiring: boolean;
  /** Failures to reach the team in a row. */
  failures: number;
  /** On the monotonic clock: not before its turn among the catch-ups, or before the next try. Null: no such wait. */
  heldUntilMs: number | null;
}

class TriggerScheduler implements Scheduler {
  readonly #options: SchedulerOptions;
  readonly #ports: FiringPorts;
  readonly #closing = new AbortController();
  readonly #entries: readonly Entry[];
  readonly #underWay = new Set<Promise<unknown>>();
  #timer: Timer | null = null;
  #isOpen = false;
  #startedAtMs = 0;
  /** Wall clock minus monotonic clock when last looked at: it shrinks when the wall clock goes back. */
  #offsetMs = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#ports = { ...options, signal: this.#closing.signal };
    const nowMs = options.clock.now();
    this.#entries = options.registrations.filter(isTimed).map((registration) => {
      const state = adoptState(registration.trigger, options.states.get(registration.triggerId), nowMs);
      return { registration, state, isFiring: false, failures: 0, heldUntilMs: null };
    });
  }

  get nextAtMs(): number | null {
    const waitMs = this.#leastWaitMs();
    return waitMs === null ? null : this.#options.clock.now() + waitMs;
  }

  async open(): Promise<void> {
    const { clock, states, write } = this.#options;
    this.#startedAtMs = clock.now();
    this.#offsetMs = this.#startedAtMs - clock.monotonicMs();
    const changed = this.#entries.filter(({ registration, state }) => states.get(registration.triggerId)?.["nextAtMs"] !== state.nextAtMs);
    // Without this, a process that dies more often than a trigger's interval would never fire it.
    if (changed.length > 0) await write(changed.map(({ registration, state }) => toStateWrite(registration.triggerId, state)));
    this.#isOpen = true;
    this.#arm();
  }

  async tick(): Promise<readonly Fired[]> {
    if (!this.#isOpen) return [];
    await this.#followClock();
    this.#spreadCatchUps();
    const due = this.#entries
      .filter((entry) => !entry.isFiring && this.#waitMs(entry) <= 0)
      .toSorted((a, b) => a.state.nextAtMs - b.state.nextAtMs)
      .slice(0, firingsMax - this.#underWay.size);
    const firings = due.map((entry) => this.#track(this.#fire(entry)));
    this.#arm();
    return (await Promise.all(firings)).filter((fired) => fired !== null);
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    this.#timer?.cancel();
    this.#closing.abort(new LonghaulError("ENGINE_CLOSED", "The team is stopping. The firing is made after the next start."));
    await Promise.allSettled(this.#underWay);
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const waitMs = this.#leastWaitMs();
    // A full house is looked at again when a firing ends.
    if (!this.#isOpen || waitMs === null || this.#underWay.size >= firingsMax) return;
    this.#wakeIn(waitMs);
  }

  #wakeIn(delayMs: number): void {
    this.#timer = setWallTimer(this.#options.clock, delayMs, () => void this.#round());
  }

  /** The rounds go on whatever happens: a scheduler that stopped silently would be the worst failure of all. */
  async #round(): Promise<void> {
    try {
      await this.tick();
    } catch (error) {
      this.#options.onError(error, "scheduler");
      if (this.#isOpen) this.#wakeIn(retryBaseMs);
    }
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    const release = (): void => {
      this.#underWay.delete(work);
      this.#arm();
    };
    work.then(release, release);
    return work;
  }

  /** Whole milliseconds until something fires: a fraction that a timer cannot wait would make it wake for nothing. Null: nothing will. */
  #leastWaitMs(): number | null {
    let leastMs = Number.POSITIVE_INFINITY;
    for (const entry of this.#entries) if (!entry.isFiring) leastMs = Math.min(leastMs, this.#waitMs(entry));
    return leastMs === Number.POSITIVE_INFINITY ? null : Math.max(0, Math.ceil(leastMs));
  }

  /** How long until this trigger fires; 0 or less: now. */
  #waitMs(entry: Entry): number {
    const { clock } = this.#options;
    const untilDueMs = this.#isStartPending(entry) ? this.#startedAtMs - clock.now() : entry.state.nextAtMs - clock.now();
    return entry.heldUntilMs === null ? untilDueMs : Math.max(untilDueMs, entry.heldUntilMs - clock.monotonicMs());
  }

  #isStartPending({ registration, state }: Entry): boolean {
    return registration.trigger.kind === "every" && registration.trigger.atStart && state.startedFor !== this.#startedAtMs;
  }

  async #fire(entry: Entry): Promise<Fired | null> {
    const due = this.#dueFiring(entry);
    const { triggerId } = entry.registration;
    entry.isFiring = true;
    entry.heldUntilMs = null;
    const offsetMs = this.#offsetMs;
    try {
      const { result, state } = await fire(this.#ports, due);
      entry.state = state;
      entry.failures = 0;
      // The clock may have gone back meanwhile: the state was computed by the old time.
      const jumpMs = offsetMs - this.#offsetMs;
      if (jumpMs > jumpMsMin) entry.state = this.#afterJumpBack(entry, jumpMs);
      return { triggerId, dueAtMs: due.dueAtMs, result };
    } catch (error) {
      if (this.#closing.signal.aborted) return null;
      const { random, clock } = this.#options;
      const delayMs = Math.min(retryMaxMs, retryBaseMs * 2 ** Math.min(entry.failures, 10)) * (0.5 + random.next() / 2);
      entry.failures++;
      entry.heldUntilMs = clock.monotonicMs() + delayMs;
      this.#options.onError(error, triggerId);
      return null;
    } finally {
      entry.isFiring = false;
    }
  }

  #dueFiring(entry: Entry): DueFiring {
    const { registration, state } = entry;
    const { trigger, triggerId } = registration;
    const atMs = this.#options.clock.now();
    const isStart = this.#isStartPending(entry);
    const dueAtMs = isStart ? this.#startedAtMs : state.nextAtMs;
    const nextAtMs = state.nextAtMs > atMs ? state.nextAtMs : computeNextAfter(trigger, state.nextAtMs, atMs);
    const turn = state.turn === 0 ? "" : `~${state.turn}`;
    // The instant comes first: keys and receipts of one round stand side by side in their indexes.
    const key = isStart ? `trigger:${dueAtMs}:start:${triggerId}` : `trigger:${dueAtMs}${turn}:${triggerId}`;
    const after = { ...state, nextAtMs, lastFiredAtMs: atMs, startedFor: isStart ? dueAtMs : state.startedFor };
    return { registration, key, dueAtMs, atMs, state, after };
  }

  /** Notices that the wall clock went back, and makes the new instants durable before they are used. */
  async #followClock(): Promise<void> {
    const { clock, write } = this.#options;
    const offsetMs = clock.now() - clock.monotonicMs();
    const jumpMs = this.#offsetMs - offsetMs;
    this.#offsetMs = offsetMs;
    if (jumpMs <= jumpMsMin) return;
    const idle = this.#entries.filter(({ isFiring }) => !isFiring);
    for (const entry of idle) entry.state = this.#afterJumpBack(entry, jumpMs);
    await write(idle.map(({ registration, state }) => toStateWrite(registration.triggerId, state)));
  }

  #afterJumpBack({ registration, state }: Entry, jumpMs: number): TriggerState {
    return toStateAfterJumpBack(registration.trigger, state, { nowMs: this.#options.clock.now(), jumpMs });
  }

  /** Gives each missed firing, and each firing at start, its turn. */
  #spreadCatchUps(): void {
    const { clock } = this.#options;
    const nowMs = clock.now();
    const missed = this.#entries.filter((entry) => {
      return !entry.isFiring && entry.heldUntilMs === null && (this.#isStartPending(entry) || nowMs - entry.state.nextAtMs > missedAfterMs);
    });
    const waiting = this.#entries.filter(({ heldUntilMs }) => heldUntilMs !== null && heldUntilMs > clock.monotonicMs()).length;
    const delays = computeCatchUpDelays(missed.map(({ registration }) => computePeriodMs(registration.trigger, nowMs)), waiting);
    for (const [index, entry] of missed.entries()) entry.heldUntilMs = clock.monotonicMs() + (delays[index] ?? 0);
  }
}

function fire(ports: FiringPorts, due: DueFiring): Promise<FiringEnd> {
  const { registration } = due;
  const { trigger } = registration;
  return trigger.kind === "poll" ? firePoll(ports, { ...due, registration: { ...registration, trigger } }) : fireSchedule(ports, { ...due, registration: { ...registration, trigger } });
}

function isTimed(registration: Registration): registration is Registration<TimedTrigger> {
  return registration.trigger.kind !== "on";
}
