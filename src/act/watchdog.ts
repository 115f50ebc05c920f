import { setWallTimer, type Clock, type Timer } from "../base/clock.ts";
import { withDeadline } from "../base/deadline.ts";
import { LonghaulError, messageOf } from "../base/error.ts";
import { computeHealth } from "../judge/health.ts";
import type { AgentExpectation, AgentObservation } from "../judge/observation.ts";
import type { HealthVerdict } from "../record/health.ts";

/**
 * Judges the agents when something changed and when a verdict can change by itself. It has its own timer and needs nothing of the scheduler,
 * so that it notices when that one is dead.
 *  W1 at most one judgement a second, however often something changed, and never two at once;
 *  W2 a judgement at the earliest review of a verdict, and at least every 60 s while work is queued or runs, an agent is bad or it could not judge;
 *  W3 no timer while nothing is queued, runs, is scheduled or bad: what waits is judged when its wait becomes too long, and not before;
 *  W4 what keeps it from judging is itself told: an `observe` or `onVerdict` that throws, or hangs for 30 s.
 */

const judgeIntervalMsMin = 1000;
const judgeIntervalMsMax = 60_000;
const lookTimeoutMs = 30_000;

export interface WatchedAgent {
  readonly observation: AgentObservation;
  readonly expectation: AgentExpectation;
}

export interface WatchdogOptions {
  readonly clock: Clock;
  readonly observe: (signal: AbortSignal) => Promise<readonly WatchedAgent[]>;
  /** Gets the verdicts of all agents, good ones too, after each judgement. */
  readonly onVerdict: (verdicts: readonly HealthVerdict[], signal: AbortSignal) => Promise<void> | void;
  /** What people see to when it takes long. Default: the disk of the data directory. */
  readonly whenSlow?: string;
  /** Gets WATCHDOG_BLIND, with the cause, each time that it cannot judge. The alert for it: `computeAlerts(…, { blind: error.message })`. */
  readonly onBlind: (error: LonghaulError) => Promise<void> | void;
}

export interface Watchdog {
  /** Something was recorded: judge within a second. */
  changed(): void;
  /** What keeps it from judging, null while it can. */
  readonly blind: LonghaulError | null;
  /** Ends its timer and the judgement under way. */
  close(): Promise<void>;
}

/** Starts a watchdog; its first judgement is at once. */
export function createWatchdog(options: WatchdogOptions): Watchdog {
  return new LiveWatchdog(options);
}

class LiveWatchdog implements Watchdog {
  readonly #options: WatchdogOptions;
  readonly #closing = new AbortController();
  #timer: Timer | null = null;
  /** The judgement under way, or the last one. */
  #judgement: Promise<void> = Promise.resolve();
  #isJudging = false;
  #hasChanged = false;
  #blind: LonghaulError | null = null;
  /** Monotonic, so that a clock that is set back cannot silence it. */
  #lastJudgedMs = Number.NEGATIVE_INFINITY;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#arm(0);
  }

  get blind(): LonghaulError | null {
    return this.#blind;
  }

  changed(): void {
    // A judgement as early as may be is on its way already.
    if (this.#hasChanged) return;
    this.#hasChanged = true;
    if (!this.#isJudging) this.#arm(0);
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#closing.abort(new LonghaulError("ENGINE_CLOSED", "The watchdog was closed. Start the team again."));
    await this.#judgement;
  }

  /** Sets the one timer, no earlier than a second after the last judgement. */
  #arm(delayMs: number): void {
    this.#timer?.cancel();
    if (this.#closing.signal.aborted) return;
    const earliestMs = this.#lastJudgedMs + judgeIntervalMsMin - this.#options.clock.monotonicMs();
    this.#timer = setWallTimer(this.#options.clock, Math.max(delayMs, earliestMs, 0), () => {
      this.#judgement = this.#judge();
    });
  }

  async #judge(): Promise<void> {
    this.#isJudging = true;
    this.#hasChanged = false;
    this.#lastJudgedMs = this.#options.clock.monotonicMs();
    let delayMs: number | null;
    try {
      delayMs = await this.#look();
      this.#blind = null;
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      await this.#tellBlind(error);
      delayMs = judgeIntervalMsMax;
    }
    this.#isJudging = false;
    if (this.#hasChanged) this.#arm(0);
    else if (delayMs !== null) this.#arm(delayMs);
  }

  /** One judgement; resolves to the delay until the next one, null when only a change calls for it. */
  async #look(): Promise<number | null> {
    const { clock, observe, onVerdict } = this.#options;
    const watched = await this.#within("Observing the agents", observe);
    const nowMs = clock.now();
    const verdicts = watched.map(({ observation, expectation }) => computeHealth(observation, expectation, nowMs));
    await this.#within("Passing on the verdicts", async (signal) => onVerdict(verdicts, signal));
    const reviews = verdicts.flatMap(({ reviewAtMs }) => (reviewAtMs === null ? [] : [reviewAtMs - clock.now()]));
    if (verdicts.some(({ bad }) => bad) || watched.some(isBusy)) reviews.push(judgeIntervalMsMax);
    return reviews.length === 0 ? null : Math.min(...reviews);
  }

  #within<T>(what: string, body: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { whenSlow = "See whether the data directory's disk is slow or full." } = this.#options;
    const onTimeout = (): Error => new LonghaulError("WATCHDOG_BLIND", `${what} took longer than ${lookTimeoutMs / 1000} s. ${whenSlow}`);
    return withDeadline({ clock: this.#options.clock, timeoutMs: lookTimeoutMs, onTimeout, signal: this.#closing.signal }, body);
  }

  async #tellBlind(cause: unknown): Promise<void> {
    const blind = new LonghaulError("WATCHDOG_BLIND", `The watchdog cannot judge: ${messageOf(cause)}`, { retry: { afterMs: judgeIntervalMsMax }, cause });
    this.#blind = blind;
    try {
      await this.#within("Telling that the watchdog is blind", async () => this.#options.onBlind(blind));
    } catch (error) {
      // Nobody is left to tell; `blind` stays readable with both causes, and telling is tried again at the next judgement.
      this.#blind = new LonghaulError("WATCHDOG_BLIND", `${blind.message}; telling it failed too: ${messageOf(error)}`, { retry: blind.retry, cause });
    }
  }
}

function isBusy({ observation }: WatchedAgent): boolean {
  return observation.queued + observation.running.length > 0;
}
