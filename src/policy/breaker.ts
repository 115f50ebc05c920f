import type { Random } from "../base/random.ts";

export interface BreakerConfig {
  /** What is older says nothing of now. */
  readonly windowMs: number;
  /** Fewer calls in the window decide nothing. */
  readonly callsMin: number;
  /** It opens when more than this share of the calls in the window failed or were slow, beyond chance: 8 of 10, 57 of 100 at a half. */
  readonly badRatioMax: number;
  /** How long it stays open the first time; the nth time in a row n times as long. */
  readonly openBaseMs: number;
  readonly openMaxMs: number;
  /** Calls that are made, after the first probe succeeded, before it closes or opens again by the share of them that were bad. They may be made at once. */
  readonly trialsMax: number;
  /** A probe that is out for this long leaves its place to the next caller. What it comes to later still counts. */
  readonly probeLeaseMs: number;
  /** While others probe, when to ask again at the latest. */
  readonly askAgainMs: number;
  /** Of one that a person keeps shut: when to ask again, should nobody say that it was opened. */
  readonly askIsolatedAgainMs: number;
}

export const breakerDefaults: BreakerConfig = { windowMs: 60_000, callsMin: 10, badRatioMax: 0.5, openBaseMs: 30_000, openMaxMs: 300_000, trialsMax: 3, probeLeaseMs: 60_000, askAgainMs: 5_000, askIsolatedAgainMs: 3_600_000 };

/** Of agents and flows that are called: they take minutes to hours, each probe may cost as much as a task does, and an agent that waits for its turn asks seldom. */
export const calleeBreakerDefaults: BreakerConfig = { ...breakerDefaults, windowMs: 3_600_000, openBaseMs: 60_000, openMaxMs: 3_600_000, probeLeaseMs: 3_600_000, askAgainMs: 300_000 };

/** Calls that ended in one tenth of the window. */
interface Slice {
  readonly index: number;
  readonly calls: number;
  readonly bad: number;
}

interface Lease {
  readonly id: string;
  readonly untilMs: number;
}

/**
 * Whether calls of one dependency are let through. Instants are of a clock that is never set.
 * `generation` grows with each change of state: what was let through in an earlier one and ends now is late, and moves nothing.
 */
export type Breaker =
  | { readonly state: "closed"; readonly generation: number; readonly slices: readonly Slice[] }
  /** `opens`: how often in a row. */
  | { readonly state: "open"; readonly generation: number; readonly opens: number; readonly untilMs: number }
  | { readonly state: "half-open"; readonly generation: number; readonly opens: number; readonly good: number; readonly bad: number; readonly leases: readonly Lease[] }
  /** A person keeps it so. */
  | { readonly state: "isolated"; readonly generation: number; readonly reason: string };

type HalfOpen = Extract<Breaker, { readonly state: "half-open" }>;

/** Who was let through, handed back with what came of it. */
export interface Pass {
  readonly id: string;
  readonly generation: number;
}

/** `none`: it says nothing of the dependency, such as a call that was canceled or was itself wrong. */
export type CallEnd = "good" | "bad" | "none";

export type Admission =
  | { readonly breaker: Breaker; readonly pass: Pass }
  /** `retryAtMs`: when to ask again; null when only a person changes that. */
  | { readonly breaker: Breaker; readonly pass: null; readonly retryAtMs: number | null };

const slicesPerWindow = 10;
/** Probes that are remembered, those included whose place another one has taken. */
const leasesMax = 16;

export function closedBreaker(generation = 0): Breaker {
  return { state: "closed", generation, slices: [] };
}

/** Lets a call through, or says when to ask again. */
export function admit(breaker: Breaker, id: string, nowMs: number, config: BreakerConfig): Admission {
  const { generation } = breaker;
  switch (breaker.state) {
    case "closed":
      return { breaker, pass: { id, generation } };
    case "isolated":
      return { breaker, pass: null, retryAtMs: null };
    case "open":
      if (nowMs < breaker.untilMs) return { breaker, pass: null, retryAtMs: breaker.untilMs };
      return admit({ state: "half-open", generation: generation + 1, opens: breaker.opens, good: 0, bad: 0, leases: [] }, id, nowMs, config);
    case "half-open": {
      // Who asks again after a crash is not kept out by itself.
      if (breaker.leases.some((lease) => lease.id === id)) return { breaker, pass: { id, generation } };
      const held = breaker.leases.filter(({ untilMs }) => untilMs > nowMs);
      if (held.length >= placesFor(breaker, config)) {
        return { breaker, pass: null, retryAtMs: held.reduce((least, { untilMs }) => Math.min(least, untilMs), nowMs + config.askAgainMs) };
      }
      return { breaker: { ...breaker, leases: [...breaker.leases, { id, untilMs: nowMs + config.probeLeaseMs }].slice(-leasesMax) }, pass: { id, generation } };
    }
  }
}

/** One probe first; when it has succeeded, as many as are still to be made. */
function placesFor({ good, bad }: HalfOpen, { trialsMax }: BreakerConfig): number {
  return good === 0 ? 1 : 1 + trialsMax - good - bad;
}

/** Takes what came of a call that was let through. */
export function settle(breaker: Breaker, pass: Pass, end: CallEnd, nowMs: number, config: BreakerConfig, random: Random): Breaker {
  if (pass.generation !== breaker.generation) return breaker;
  if (breaker.state === "closed") return end === "none" ? breaker : judgeWindow(breaker, end, nowMs, config, random);
  if (breaker.state !== "half-open" || !breaker.leases.some(({ id }) => id === pass.id)) return breaker;
  const good = breaker.good + (end === "good" ? 1 : 0);
  const bad = breaker.bad + (end === "bad" ? 1 : 0);
  if (end === "bad" && (good === 0 || bad / config.trialsMax >= config.badRatioMax)) return opened(breaker.generation, breaker.opens + 1, nowMs, config, random);
  if (good + bad > config.trialsMax) return closedBreaker(breaker.generation + 1);
  return { ...breaker, good, bad, leases: breaker.leases.filter(({ id }) => id !== pass.id) };
}

/** Lets nothing through until a person closes it. */
export function isolate({ generation }: Breaker, reason: string): Breaker {
  return { state: "isolated", generation: generation + 1, reason };
}

function judgeWindow(breaker: Extract<Breaker, { readonly state: "closed" }>, end: CallEnd, nowMs: number, config: BreakerConfig, random: Random): Breaker {
  const slices = noted(breaker.slices, end === "bad" ? 1 : 0, nowMs, config);
  let calls = 0;
  let bad = 0;
  for (const slice of slices) {
    calls += slice.calls;
    bad += slice.bad;
  }
  // Success never opens it, though the share of failures may still be high.
  if (end === "bad" && calls >= config.callsMin && isBeyondChance(bad, calls, config.badRatioMax)) return opened(breaker.generation, 1, nowMs, config, random);
  return { ...breaker, slices };
}

/** One-sided, 90 %. */
const deviations = 1.28;

/** True when so many are bad that a dependency of which fewer than this share is bad would hardly show it. Of ten calls the share alone says little: three of ten that fail would shut it now and then. */
function isBeyondChance(bad: number, calls: number, share: number): boolean {
  return bad >= Math.min(calls, calls * share + deviations * Math.sqrt(calls * share * (1 - share)));
}

function noted(slices: readonly Slice[], bad: number, nowMs: number, { windowMs }: BreakerConfig): readonly Slice[] {
  const index = Math.floor((nowMs * slicesPerWindow) / windowMs);
  const recent = slices.filter((slice) => slice.index > index - slicesPerWindow);
  const last = recent.at(-1);
  if (last?.index !== index) return [...recent, { index, calls: 1, bad }];
  return [...recent.slice(0, -1), { index, calls: last.calls + 1, bad: last.bad + bad }];
}

/** Jittered by a fifth both ways, so that what opened together does not probe together. */
function opened(generation: number, opens: number, nowMs: number, { openBaseMs, openMaxMs }: BreakerConfig, random: Random): Breaker {
  const forMs = Math.min(openBaseMs * opens, openMaxMs) * (0.8 + 0.4 * random.next());
  return { state: "open", generation: generation + 1, opens, untilMs: nowMs + Math.min(Math.round(forMs), openMaxMs) };
}
