import { formatDuration } from "../base/duration.ts";
import { LonghaulError } from "../base/error.ts";
import type { LimitName } from "../record/stated-limit.ts";
import { blockOf, lessTokens, type LimitPlace, type Need, needOf, sumOf } from "./limit.ts";
import { type DeclaredLimits, limiterDefaults, Scope } from "./scope.ts";
import { type Caller, isOverdue, turnDefaults, Turns } from "./turns.ts";

/** A call that asks to be let through. */
export interface LimitedCall {
  /** Whose limits count: an account of a provider, a tool, a tool server. */
  readonly account: string;
  /** By which limits are declared: "openai". */
  readonly provider: string;
  /** "openai/gpt-5.2": providers limit each model of an account. Null where there is none. */
  readonly model: string | null;
  /** Calls of the account that are under way at once, unless declared otherwise. */
  readonly concurrencyMax: number;
  /** Who asks: the same when it comes back. */
  readonly caller: string;
  /** For which it asks: when that has ended, nobody comes back. */
  readonly task: string;
  readonly agent: string;
  readonly priority: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly signal: AbortSignal;
}

/** What holds a call back. */
export interface Blocked {
  readonly scope: Scope;
  /** "first-calls": little is known of it yet, so few are made at once. */
  readonly by: LimitName | "retry-after" | "concurrency" | "first-calls";
  /** Null when nobody knows until when. */
  readonly atMs: number | null;
  /** Until then at most. */
  readonly latestMs: number;
  readonly max: number | null;
}

export interface Arrived extends Caller {
  readonly call: LimitedCall;
  readonly need: Need;
  /** How often it was sent away. */
  readonly sent: number;
}

/** One that waits in the queue. */
export interface Waiting extends Arrived {
  readonly deadlineMs: number;
  readonly granted: () => void;
  readonly refused: (blocked: Blocked, afterMs: number) => void;
}

/** One that waits outside, and has its place. */
interface Away extends Arrived {
  readonly dueMs: number;
  readonly forgottenAtMs: number;
}

export interface AccountOptions {
  readonly declared: DeclaredLimits;
  readonly declaredOf: (model: string) => DeclaredLimits;
  readonly placesMax: number;
}

/** One account with its models, and who waits for it. */
export class Account {
  readonly scope: Scope;
  readonly waiting = new Set<Waiting>();
  readonly #options: AccountOptions;
  readonly #models = new Map<string, Scope>();
  readonly #away = new Map<string, Away>();
  readonly #turns = new Turns();
  #arrivals = 0;
  #usedAtMs = Number.NEGATIVE_INFINITY;
  #tidiedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: AccountOptions) {
    this.#options = options;
    this.scope = new Scope(options.declared, options.placesMax, false);
  }

  /** True when nobody waits in the queue. */
  get isIdle(): boolean {
    return this.waiting.size === 0;
  }

  isForgotten(nowMs: number): boolean {
    return this.isIdle && nowMs - this.#usedAtMs > limiterDefaults.forgetAfterMs && [this.scope, ...this.#models.values()].every((scope) => scope.isForgotten(nowMs));
  }

  /** Those that may have waited here for long enough. */
  *patient(nowMs: number): Iterable<Waiting> {
    const hanging = new Set([this.scope, ...this.#models.values()].filter(({ hangsAtMs }) => hangsAtMs <= nowMs));
    for (const waiting of this.waiting) {
      if (waiting.deadlineMs <= nowMs || this.#scopesOf(waiting.call).some((scope) => hanging.has(scope))) yield waiting;
      // Whoever came later waits for longer.
      else if (hanging.size === 0) return;
    }
  }

  /** When the next one has waited here for long enough. */
  nextDeadlineMs(nowMs: number): number {
    for (const { deadlineMs } of this.waiting) if (deadlineMs > nowMs) return deadlineMs;
    return Number.POSITIVE_INFINITY;
  }

  /** One that comes back has the place that it was sent away with. */
  arrive(call: LimitedCall, nowMs: number): Arrived {
    this.#tidy(nowMs);
    this.#usedAtMs = nowMs;
    const { agent, priority, inputTokens, outputTokens } = call;
    const { sinceMs, order, sent } = this.#away.get(call.caller) ?? { sinceMs: nowMs, order: this.#arrivals++, sent: 0 };
    const line = this.#turns.enter(agent, priority);
    this.#drop(call.caller);
    return { call, line, sinceMs, order, sent, need: needOf(inputTokens, outputTokens) };
  }

  /** One that waited in the queue does not want its turn any more. */
  abandon(waiting: Waiting): void {
    this.waiting.delete(waiting);
    this.#turns.leave(waiting);
  }

  /** Nobody comes back for a task that has ended. False when nobody had a place for it. */
  forget(task: string): boolean {
    const gone = [...this.#away.values()].filter(({ call }) => call.task === task);
    for (const { call } of gone) this.#drop(call.caller);
    return gone.length > 0;
  }

  /** Seldom, since many may be away. */
  #tidy(nowMs: number): void {
    if (nowMs - this.#tidiedAtMs < limiterDefaults.returnMs) return;
    this.#tidiedAtMs = nowMs;
    for (const [name, scope] of this.#models) if (scope.isForgotten(nowMs)) this.#models.delete(name);
    for (const [caller, away] of this.#away) if (away.forgottenAtMs <= nowMs) this.#drop(caller);
  }

  #drop(caller: string): void {
    const away = this.#away.get(caller);
    if (away === undefined) return;
    this.#away.delete(caller);
    this.#turns.leave(away);
  }

  /** Whose turn it is of those that wait in the queue, but for those of held scopes. */
  next(held: ReadonlySet<Scope>, nowMs: number): Waiting | null {
    if (held.size === 0) return this.#turns.choose(this.waiting, nowMs);
    return this.#turns.choose([...this.waiting].filter(({ call }) => !held.has(this.#scopeOf(call))), nowMs);
  }

  /** Who goes before one that waits, of those that are here or back by `untilMs`. */
  #ahead(waiting: Waiting, nowMs: number, untilMs: number): readonly Arrived[] {
    return this.#turns.ahead<Arrived>(waiting, [...[...this.#away.values()].filter(({ dueMs }) => dueMs <= untilMs), ...[...this.waiting].filter((other) => other !== waiting)], nowMs);
  }

  /** Who goes before one that waits, and is to come back about now; `untilMs`: until when it is waited for the first of them. */
  due(arrived: Arrived, nowMs: number): { readonly callers: readonly Arrived[]; readonly untilMs: number } {
    const due = [...this.#away.values()].filter((away) => isDue(away, nowMs));
    if (due.length === 0) return { callers: due, untilMs: Number.POSITIVE_INFINITY };
    return { callers: this.#turns.aheadNow<Arrived>(arrived, due, nowMs), untilMs: Math.min(...due.map(({ dueMs }) => dueMs)) + limiterDefaults.returnMs };
  }

  /** What holds a call back, behind those that go before it; null when it may go now. */
  blockOf({ call, need }: Arrived, nowMs: number, ahead: readonly Arrived[] = []): Blocked | null {
    const scopes = this.#scopesOf(call);
    const full = scopes.find(({ underWay, places }) => underWay >= places);
    if (full !== undefined) return { scope: full, by: full.isCareful ? "first-calls" : "concurrency", atMs: null, latestMs: Number.POSITIVE_INFINITY, max: full.places };
    let worst: Blocked | null = null;
    for (const scope of scopes) {
      const needed = sumOf(this.#within(scope, ahead).map((other) => other.need), scope.usedShare);
      const block = blockOf(scope.limit, need, nowMs, needed);
      if (block === null) continue;
      // What calls under way set aside and will not use is free when they end.
      const unused = scope.reserved * (1 - scope.usedShare);
      if (unused > 0 && blockOf(scope.limit, lessTokens(need, unused), nowMs, needed) === null) return { scope, ...block, atMs: null, latestMs: block.atMs };
      if (block.atMs > (worst?.latestMs ?? nowMs)) worst = { scope, ...block, latestMs: block.atMs };
    }
    return worst;
  }

  /** Lets a call through: where it stands in the account and, last, in its model. */
  take(arrived: Arrived, nowMs: number): readonly { readonly scope: Scope; readonly place: LimitPlace }[] {
    this.#turns.give(arrived);
    return this.#scopesOf(arrived.call).map((scope) => ({ scope, place: scope.take(arrived.need, nowMs) }));
  }

  leave(places: ReturnType<Account["take"]>, nowMs: number): void {
    for (const { scope, place } of places) scope.leave(place, nowMs);
    this.#usedAtMs = nowMs;
  }

  /** What holds one that waits back and about until when, behind those that go before it and are back by `untilMs`; null when it may go now. */
  expect(waiting: Waiting, nowMs: number, untilMs: number): { readonly blocked: Blocked; readonly atMs: number } | null {
    const ahead = this.#ahead(waiting, nowMs, untilMs);
    const blocked = this.blockOf(waiting, nowMs, ahead);
    if (blocked === null) return null;
    const { paceMs, hangsAtMs } = blocked.scope;
    const placeAfterMs = Math.min(limiterDefaults.askAgainMaxMs, Math.max((this.#within(blocked.scope, ahead).length + 1) * paceMs, nowMs - hangsAtMs));
    const atMs = blocked.atMs ?? Math.min(blocked.latestMs, nowMs + placeAfterMs);
    // Whoever is overdue by then has a place before those.
    const overdueAtMs = waiting.sinceMs + turnDefaults.overdueAfterMs;
    if (overdueAtMs <= nowMs || overdueAtMs >= atMs) return { blocked, atMs };
    return { blocked, atMs: Math.max(overdueAtMs, this.blockOf(waiting, nowMs)?.atMs ?? nowMs) };
  }

  /** Keeps the place of one that waits outside from now on. */
  sendAway(waiting: Waiting, blocked: Blocked, waitMs: number, nowMs: number): LonghaulError {
    const afterMs = Math.max(blocked.atMs === null ? limiterDefaults.askAgainMs : 1_000, waitMs);
    this.#keep({ ...waiting, sent: waiting.sent + 1 }, nowMs + afterMs, nowMs);
    this.abandon(waiting);
    return refusalOf(waiting.call, blocked, afterMs);
  }

  /** The provider refused a call: it does not go to the end of the line. */
  keepPlace(arrived: Arrived, nowMs: number): void {
    this.#keep(arrived, Math.max(nowMs, this.#scopeOf(arrived.call).limit.closedUntilMs), nowMs);
  }

  #keep({ call, sinceMs, order, need, sent }: Arrived, dueMs: number, nowMs: number): void {
    const line = this.#turns.enter(call.agent, call.priority);
    this.#drop(call.caller);
    this.#away.set(call.caller, { call, line, sinceMs, order, need, sent, dueMs, forgottenAtMs: dueMs + limiterDefaults.keepPlaceMs + (dueMs - nowMs) / 10 });
  }

  #within(scope: Scope, callers: readonly Arrived[]): readonly Arrived[] {
    return scope === this.scope ? callers : callers.filter(({ call }) => this.#scopeOf(call) === scope);
  }

  /** The account and, last, the model. */
  #scopesOf(call: LimitedCall): readonly Scope[] {
    const model = this.#scopeOf(call);
    return model === this.scope ? [model] : [this.scope, model];
  }

  #scopeOf({ model }: LimitedCall): Scope {
    if (model === null) return this.scope;
    let scope = this.#models.get(model);
    if (scope === undefined) {
      scope = new Scope(this.#options.declaredOf(model), this.#options.placesMax, this.#options.declared.requestsPerMinute === undefined);
      this.#models.set(model, scope);
    }
    return scope;
  }
}

/** True while a turn is kept for one that waits outside. */
function isDue(away: Away, nowMs: number): boolean {
  const isReserved = away.sent >= limiterDefaults.reserveAfterSent && isOverdue(away, nowMs);
  return away.dueMs - (isReserved ? limiterDefaults.reserveMs : 0) <= nowMs && nowMs < away.dueMs + limiterDefaults.returnMs;
}

const words: Readonly<Record<Blocked["by"], (max: number | null) => string>> = {
  requests: (max) => `its limit of ${max ?? "some"} requests a minute is reached`,
  tokens: (max) => `its limit of ${max ?? "some"} tokens a minute is reached`,
  "input-tokens": (max) => `its limit of ${max ?? "some"} input tokens a minute is reached`,
  "output-tokens": (max) => `its limit of ${max ?? "some"} output tokens a minute is reached`,
  "retry-after": () => "it asked to be left alone",
  concurrency: (max) => `${max ?? "all"} calls of it are under way, which is as many as may be`,
  "first-calls": (max) => `${max ?? "some"} calls of it are under way, and it is not known yet how many it takes`,
};

/** The error of a call that is to come back. */
function refusalOf({ account, model }: LimitedCall, { by, max }: Blocked, afterMs: number): LonghaulError {
  const dependency = model ?? account;
  return new LonghaulError("LIMITER_CLOSED", `${dependency} is not called for another ${formatDuration(afterMs)}: ${words[by](max)}.`, { retry: { afterMs }, details: { dependency, account, limit: by, max, afterMs } });
}
