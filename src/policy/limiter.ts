import type { Clock, Timer } from "../base/clock.ts";
import type { StatedLimit } from "../record/stated-limit.ts";
import { Account, type Arrived, type LimitedCall, type Waiting } from "./account.ts";
import { type LimitPlace, needOf, nothing, raise, settle } from "./limit.ts";
import { type DeclaredLimits, limiterDefaults, type Scope } from "./scope.ts";

/** What became of a call that was let through. */
export type CallUse =
  /** It was answered. `freshInputTokens`: without those read from a cache, of which some providers count none. */
  | { readonly kind: "used"; readonly inputTokens: number; readonly freshInputTokens: number; readonly outputTokens: number }
  /** The provider refused it for a limit of its own; null when it did not say for how long. */
  | { readonly kind: "throttled"; readonly afterMs: number | null }
  /** It was answered, and used no tokens. */
  | { readonly kind: "rejected" }
  /** It was refused for no limit, or nobody was reached: it used no tokens, and says nothing of how much may be asked for. */
  | { readonly kind: "failed" }
  /** It was not made after all. */
  | { readonly kind: "unmade" }
  /** Nobody knows what it used: all that was set aside counts. */
  | { readonly kind: "unknown" };

/** Of a call that was let through: told what the answer says, and once what became of the call. */
export interface LimiterPass {
  stated(limits: readonly StatedLimit[]): void;
  leave(use: CallUse): void;
}

export interface LimiterOptions {
  readonly clock: Clock;
  /** By provider ("openai": of each of its accounts) or model ("openai/gpt-5.2": of this model of each account). */
  readonly declared?: Readonly<Record<string, DeclaredLimits>>;
}

/**
 * One queue per account of a provider, per tool and per tool server, in front of all calls of this process: no more is let through than the limits that
 * were declared, that answers stated, or that refusals suggest. Of an account of which nothing is known nothing is held back, but for the first calls.
 */
export class Limiter {
  readonly #clock: Clock;
  readonly #declared: ReadonlyMap<string, DeclaredLimits>;
  readonly #accounts = new Map<string, Account>();
  readonly #timers = new Map<Account, { readonly atMs: number; readonly timer: Timer }>();

  constructor({ clock, declared = {} }: LimiterOptions) {
    this.#clock = clock;
    this.#declared = new Map(Object.entries(declared));
  }

  /**
   * Waits in the queue for the call's turn.
   * @throws {LIMITER_CLOSED} when its turn is too far off to wait for it here; `retry` says when to come back, and its place is kept until then.
   */
  async enter(call: LimitedCall): Promise<LimiterPass> {
    call.signal.throwIfAborted();
    const nowMs = this.#clock.monotonicMs();
    const account = this.#accountOf(call, nowMs);
    const caller = account.arrive(call, nowMs);
    if (account.isIdle && account.blockOf(caller, nowMs, account.due(caller, nowMs).callers) === null) return this.#grant(account, caller, nowMs);
    return await new Promise((resolve, reject) => {
      const onAbort = (): void => {
        account.abandon(waiting);
        reject(call.signal.reason as Error);
        this.#pump(account);
      };
      const waiting: Waiting = {
        ...caller,
        deadlineMs: nowMs + limiterDefaults.parkAfterMs,
        granted: () => {
          call.signal.removeEventListener("abort", onAbort);
          resolve(this.#grant(account, waiting, this.#clock.monotonicMs()));
        },
        refused: (blocked, afterMs) => {
          call.signal.removeEventListener("abort", onAbort);
          reject(account.sendAway(waiting, blocked, afterMs, this.#clock.monotonicMs()));
        },
      };
      call.signal.addEventListener("abort", onAbort, { once: true });
      account.waiting.add(waiting);
      this.#pump(account);
      if (!account.waiting.has(waiting)) return;
      this.#judge(account, waiting, nowMs);
      if (account.isIdle) this.#wakeAt(account, Number.POSITIVE_INFINITY, nowMs);
    });
  }

  /** Keeps no places any more for a task that has ended. */
  forget(task: string): void {
    for (const account of this.#accounts.values()) if (account.forget(task)) this.#pump(account);
  }

  /** Sends away who would wait too long. */
  #judge(account: Account, waiting: Waiting, nowMs: number): void {
    const soon = account.expect(waiting, nowMs, waiting.deadlineMs);
    const hangs = soon?.blocked.atMs === null && soon.blocked.scope.hangsAtMs <= nowMs;
    if (soon === null || (!hangs && soon.atMs <= waiting.deadlineMs && waiting.deadlineMs > nowMs)) return;
    // Behind those too that come back later and go before it then.
    const { blocked, atMs } = account.expect(waiting, nowMs, Number.POSITIVE_INFINITY) ?? soon;
    waiting.refused(blocked, atMs - nowMs);
  }

  /** Lets through who can go, sends away who has waited here for too long, and sets the one timer of the next change. */
  #pump(account: Account): void {
    const nowMs = this.#clock.monotonicMs();
    const held = new Set<Scope>();
    let nextMs = Number.POSITIVE_INFINITY;
    for (;;) {
      const next = account.next(held, nowMs);
      if (next === null) break;
      const due = account.due(next, nowMs);
      const blocked = account.blockOf(next, nowMs, due.callers);
      if (due.callers.length > 0) nextMs = Math.min(nextMs, due.untilMs);
      if (blocked === null) {
        account.waiting.delete(next);
        next.granted();
        continue;
      }
      nextMs = Math.min(nextMs, blocked.latestMs, blocked.atMs === null ? blocked.scope.hangsAtMs : Number.POSITIVE_INFINITY);
      // A call that waits for a limit is not overtaken by smaller ones for the same.
      if (blocked.scope === account.scope) break;
      held.add(blocked.scope);
    }
    for (const waiting of account.patient(nowMs)) this.#judge(account, waiting, nowMs);
    this.#wakeAt(account, Math.min(nextMs, account.nextDeadlineMs(nowMs)), nowMs);
  }

  #wakeAt(account: Account, atMs: number, nowMs: number): void {
    const set = this.#timers.get(account);
    if (account.waiting.size > 0 && set?.atMs === atMs) return;
    set?.timer.cancel();
    this.#timers.delete(account);
    if (account.waiting.size === 0 || atMs === Number.POSITIVE_INFINITY) return;
    const timer = this.#clock.setTimer(Math.max(0, atMs - nowMs), () => {
      this.#timers.delete(account);
      this.#pump(account);
    });
    this.#timers.set(account, { atMs, timer });
  }

  #grant(account: Account, caller: Arrived, nowMs: number): LimiterPass {
    const places = account.take(caller, nowMs);
    let isOver = false;
    return {
      stated: (limits) => {
        const atMs = this.#clock.monotonicMs();
        // What a provider says is of the model that was asked.
        const last = places.at(-1);
        last?.scope.stated(limits, last.place, atMs);
        this.#pump(account);
      },
      leave: (use) => {
        if (isOver) return;
        isOver = true;
        const atMs = this.#clock.monotonicMs();
        places.forEach(({ scope, place }, index) => learnFrom(scope, place, use, atMs, index === places.length - 1));
        account.leave(places, atMs);
        if (use.kind === "throttled") account.keepPlace(caller, atMs);
        this.#pump(account);
      },
    };
  }

  #accountOf(call: LimitedCall, nowMs: number): Account {
    const known = this.#accounts.get(call.account);
    if (known !== undefined && !known.isForgotten(nowMs)) return known;
    for (const [name, account] of this.#accounts) if (account.isForgotten(nowMs)) this.#accounts.delete(name);
    const account = new Account({ declared: this.#declared.get(call.provider) ?? {}, declaredOf: (model) => this.#declared.get(model) ?? {}, placesMax: call.concurrencyMax });
    this.#accounts.set(call.account, account);
    return account;
  }
}

function learnFrom(scope: Scope, place: LimitPlace, use: CallUse, nowMs: number, isModel: boolean): void {
  // Of an account with many models, what the provider refused is held against the one that was asked.
  if (use.kind === "throttled" && isModel) scope.refused(place, use.afterMs, nowMs);
  else if (use.kind === "used") scope.used(place, { ...needOf(use.inputTokens, use.outputTokens), "input-tokens": use.freshInputTokens });
  else if (use.kind !== "unknown") scope.limit = settle(scope.limit, place, use.kind === "rejected" || use.kind === "failed" ? needOf(0, 0) : nothing);
  if (use.kind !== "used" && use.kind !== "rejected") return;
  scope.limit = raise(scope.limit, place, nowMs);
  scope.answered();
}
