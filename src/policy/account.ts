import { formatDuration } from "../base/duration.ts";
import { LonghaulError } from "../base/error.ts";
import type { LimitName } from "../record/stated-limit.ts";
import { blockOf, lessTokens, type LimitPlace, type Need, needOf, sumOf, take } from "./limit.ts";
import { type DeclaredLimits, limiterDefaults, newestShare, Scope } from "./scope.ts";
import { type Caller, turnDefaults, Turns } from "./turns.ts";

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
  readonly max: number | null;
}

export interface Arrived extends Caller {
  readonly call: LimitedCall;
  readonly need: Need;
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
  /** When all its places were taken, or one of them was given back, last. */
  #movedAtMs = Number.NEGATIVE_INFINITY;
  /** How far apart calls end while all places are taken or others wait, of late. */
  #paceMs = 0;
  /** Since when somebody waits. */
  #awaitedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: AccountOptions) {
    this.#options = options;
    this.scope = new Scope(options.declared, options.placesMax, false);
  }

  /** True when nobody waits in the queue. */
  get isIdle(): boolean {
    return this.waiting.size === 0;
  }

  isForgotten(nowMs: number): boolean {
    return this.isIdle && this.scope.underWay === 0 && nowMs - this.#usedAtMs > limiterDefaults.forgetAfterMs;
  }

  /** When all places have been taken for so long, and none given back, that nobody waits here for one any more. */
  get hangsAtMs(): number {
    return this.scope.underWay < this.scope.places ? Number.POSITIVE_INFINITY : this.#movedAtMs + limiterDefaults.hangMs;
  }

  /** One that comes back has the place that it was sent away with. */
  arrive(call: LimitedCall, nowMs: number): Arrived {
    this.#usedAtMs = nowMs;
    for (const [name, { underWay, usedAtMs }] of this.#models) if (underWay === 0 && nowMs - usedAtMs > limiterDefaults.forgetAfterMs) this.#models.delete(name);
    if (this.isIdle) this.#awaitedAtMs = nowMs;
    const { agent, priority, inputTokens, outputTokens } = call;
    for (const [caller, away] of this.#away) if (away.forgottenAtMs <= nowMs) this.#away.delete(caller);
    const { sinceMs, order } = this.#away.get(call.caller) ?? { sinceMs: nowMs, order: this.#arrivals++ };
    this.#turns.enter(agent, !this.#hasCallers(agent));
    this.#away.delete(call.caller);
    return { call, agent, priority, sinceMs, order, need: needOf(inputTokens, outputTokens) };
  }

  remove(waiting: Waiting): void {
    this.waiting.delete(waiting);
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
  due(waiting: Waiting, nowMs: number): { readonly callers: readonly Arrived[]; readonly untilMs: number } {
    const due = [...this.#away.values()].filter((away) => isDue(away, nowMs));
    if (due.length === 0) return { callers: due, untilMs: Number.POSITIVE_INFINITY };
    return { callers: this.#turns.aheadNow<Arrived>(waiting, due, nowMs), untilMs: Math.min(...due.map(({ dueMs }) => dueMs)) + limiterDefaults.returnMs };
  }

  isNobodyDue(nowMs: number): boolean {
    for (const away of this.#away.values()) if (isDue(away, nowMs)) return false;
    return true;
  }

  /** What holds a call back, behind those that go before it; null when it may go now. */
  blockOf({ call, need }: Arrived, nowMs: number, ahead: readonly Arrived[] = []): Blocked | null {
    const model = this.#scopeOf(call);
    for (const scope of new Set([this.scope, model])) {
      if (scope.underWay >= scope.places) return { scope, by: scope.isCareful ? "first-calls" : "concurrency", atMs: null, max: scope.places };
    }
    let worst: Blocked | null = null;
    for (const scope of new Set([this.scope, model])) {
      const before = scope === this.scope ? ahead : ahead.filter((other) => this.#scopeOf(other.call) === scope);
      const needed = sumOf(before.map((other) => other.need), scope.usedShare);
      const block = blockOf(scope.limit, need, nowMs, needed);
      if (block === null) continue;
      // What calls under way set aside and will not use is free when they end.
      const unused = scope.reserved * (1 - scope.usedShare);
      if (unused > 0 && blockOf(scope.limit, lessTokens(need, unused), nowMs, needed) === null) return { scope, ...block, atMs: null };
      if (block.atMs > (worst?.atMs ?? nowMs)) worst = { scope, ...block };
    }
    return worst;
  }

  /** Lets a call through: where it stands in the account and, last, in its model. */
  take(arrived: Arrived, nowMs: number): readonly { readonly scope: Scope; readonly place: LimitPlace }[] {
    const { call, need } = arrived;
    this.#turns.give(arrived);
    const places = [...new Set([this.scope, this.#scopeOf(call)])].map((scope) => {
      const taken = take(scope.limit, need, nowMs);
      scope.limit = taken.limit;
      scope.underWay++;
      scope.usedAtMs = nowMs;
      scope.reserved += need.tokens;
      return { scope, place: taken.place };
    });
    if (this.scope.underWay >= this.scope.places) this.#movedAtMs = nowMs;
    return places;
  }

  leave(nowMs: number): void {
    const wasFull = this.scope.underWay + 1 >= this.scope.places;
    if (wasFull || !this.isIdle) this.#paceMs += (nowMs - (wasFull ? this.#movedAtMs : Math.max(this.#movedAtMs, this.#awaitedAtMs)) - this.#paceMs) * newestShare;
    this.#usedAtMs = nowMs;
    this.#movedAtMs = nowMs;
  }

  /** What holds one that waits back and about until when, behind those that go before it and are back by `untilMs`; null when it may go now. */
  expect(waiting: Waiting, nowMs: number, untilMs: number): { readonly blocked: Blocked; readonly atMs: number } | null {
    const ahead = this.#ahead(waiting, nowMs, untilMs);
    const blocked = this.blockOf(waiting, nowMs, ahead);
    if (blocked === null) return null;
    const placeAfterMs = Math.min(limiterDefaults.askAgainMaxMs, Math.max((ahead.length + 1) * this.#paceMs, nowMs - this.hangsAtMs));
    const atMs = blocked.atMs ?? nowMs + placeAfterMs;
    // Whoever is overdue by then has a place before those.
    const overdueAtMs = waiting.sinceMs + turnDefaults.overdueAfterMs;
    if (overdueAtMs <= nowMs || overdueAtMs >= atMs) return { blocked, atMs };
    return { blocked, atMs: Math.max(overdueAtMs, this.blockOf(waiting, nowMs)?.atMs ?? nowMs) };
  }

  /** Keeps the place of one that waits outside. */
  sendAway(waiting: Waiting, blocked: Blocked, waitMs: number, nowMs: number): LonghaulError {
    const afterMs = Math.max(blocked.atMs === null ? limiterDefaults.askAgainMs : 1_000, waitMs);
    this.#keep(waiting, nowMs + afterMs, nowMs);
    return refusalOf(waiting.call, blocked, afterMs);
  }

  /** The provider refused a call: it does not go to the end of the line. */
  keepPlace(arrived: Arrived, nowMs: number): void {
    this.#keep(arrived, Math.max(nowMs, this.#scopeOf(arrived.call).limit.closedUntilMs), nowMs);
  }

  #keep({ call, agent, priority, sinceMs, order, need }: Arrived, dueMs: number, nowMs: number): void {
    this.#away.set(call.caller, { call, agent, priority, sinceMs, order, need, dueMs, forgottenAtMs: dueMs + limiterDefaults.keepPlaceMs + (dueMs - nowMs) / 10 });
  }

  #hasCallers(agent: string): boolean {
    for (const caller of this.waiting) if (caller.agent === agent) return true;
    for (const caller of this.#away.values()) if (caller.agent === agent) return true;
    return false;
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

function isDue({ dueMs }: Away, nowMs: number): boolean {
  return dueMs <= nowMs && nowMs < dueMs + limiterDefaults.returnMs;
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
