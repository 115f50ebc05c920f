import type { StatedLimit } from "../record/stated-limit.ts";

/** What was let through in one second. */
interface Slice {
  readonly index: number;
  readonly amount: number;
}

/**
 * One limit per minute of one account: what was let through lately, and what is known of how much may be. Instants are of a clock that is never set.
 * Whatever the provider counts by (a fixed minute, a bucket that fills), no minute holds more than the limit.
 */
export interface Meter {
  readonly slices: readonly Slice[];
  /** All that was ever let through: tells what came before what. */
  readonly total: number;
  /** Declared by the team, stated by the provider, inferred from its refusals. The least of them counts. */
  readonly declared: number | null;
  readonly stated: number | null;
  readonly inferred: number | null;
  /** What the provider said is left until `untilMs`, less what was let through since. `total`: all at that time; `asked`: all when the call was made that was told so. */
  readonly rest: { readonly left: number; readonly untilMs: number; readonly total: number; readonly asked: number } | null;
}

/** Where a call stands in a meter. */
export interface MeterPlace {
  readonly index: number;
  readonly total: number;
  readonly amount: number;
}

const sliceMs = 1_000;
const slicesPerWindow = 60;
/** What is said to be left counts for this long at most: whoever has to wait for longer is refused, and told so. */
const restMsMax = 300_000;
/** After this long nothing of a second is within any minute that goes on. */
const spanMs = (slicesPerWindow + 1) * sliceMs;

export function newMeter(declared: number | null): Meter {
  return { slices: [], total: 0, declared, stated: null, inferred: null, rest: null };
}

/** Null: nothing is known, and nothing is held back. */
export function maxOf({ declared, stated, inferred }: Meter): number | null {
  const known = [declared, stated, inferred].filter((max) => max !== null);
  return known.length === 0 ? null : Math.min(...known);
}

/** What was let through in the last minute. */
export function usedIn(meter: Meter, nowMs: number): number {
  return recent(meter, nowMs).reduce((sum, { amount }) => sum + amount, 0);
}

/** From when on so much may be let through, behind `ahead` that goes first. A call that is larger than the limit itself goes when everything is free. */
export function freeAtMs(meter: Meter, amount: number, nowMs: number, ahead = 0): number {
  const max = maxOf(meter);
  let atMs = nowMs;
  if (max !== null && amount > 0) {
    const whole = ahead + Math.min(amount, max);
    const spans = Math.ceil(whole / max) - 1;
    atMs = windowFreeAtMs(meter, max, whole - spans * max, nowMs) + spans * spanMs;
  }
  const { rest } = meter;
  return amount > 0 && rest !== null && nowMs < rest.untilMs && ahead + amount > rest.left ? Math.max(atMs, rest.untilMs) : atMs;
}

function windowFreeAtMs(meter: Meter, max: number, amount: number, nowMs: number): number {
  const slices = recent(meter, nowMs);
  let used = slices.reduce((sum, slice) => sum + slice.amount, 0);
  let atMs = nowMs;
  for (const slice of slices) {
    if (used + amount <= max) break;
    used -= slice.amount;
    atMs = slice.index * sliceMs + spanMs;
  }
  return atMs;
}

/** Counts what is let through now. */
export function takeFrom(meter: Meter, amount: number, nowMs: number): { readonly meter: Meter; readonly place: MeterPlace } {
  const index = Math.floor(nowMs / sliceMs);
  const slices = recent(meter, nowMs);
  const last = slices.at(-1);
  const total = meter.total + amount;
  const added = last?.index === index ? [...slices.slice(0, -1), { index, amount: last.amount + amount }] : [...slices, { index, amount }];
  const rest = meter.rest === null || nowMs >= meter.rest.untilMs ? null : { ...meter.rest, left: meter.rest.left - amount };
  return { meter: { ...meter, slices: added, total, rest }, place: { index, total, amount } };
}

/** Takes what a call really used in place of what was counted for it. */
export function correct(meter: Meter, { index, total, amount }: MeterPlace, used: number): Meter {
  if (used === amount) return meter;
  const slices = meter.slices.map((slice) => (slice.index === index ? { index, amount: Math.max(0, slice.amount + used - amount) } : slice));
  // What the provider said later is not corrected.
  const rest = meter.rest === null || total <= meter.rest.total ? meter.rest : { ...meter.rest, left: meter.rest.left + amount - used };
  return { ...meter, slices, rest };
}

/**
 * Takes what the provider said in its answer to the call at `place`. Nobody knows whether that counts calls which were under way as well: where the limit
 * itself is known, it is taken to, since own calls are counted here anyway, and what others use shows with the next answers.
 */
export function learn(meter: Meter, { max, remaining, resetMs }: StatedLimit, place: MeterPlace, nowMs: number): Meter {
  const stated = max ?? meter.stated;
  if (remaining === null || resetMs === null) return { ...meter, stated };
  const left = stated === null ? remaining - (meter.total - place.total) : remaining;
  const { rest } = meter;
  // An answer to a call that was made before one that was answered may be old: it raises nothing.
  if (rest !== null && nowMs < rest.untilMs && place.total < rest.asked) return { ...meter, stated, rest: { ...rest, left: Math.min(rest.left, left) } };
  return { ...meter, stated, rest: { left, untilMs: nowMs + Math.min(resetMs, restMsMax), total: meter.total, asked: place.total } };
}

/** What is left counts no longer than until then. */
export function reopenAt(meter: Meter, atMs: number): Meter {
  const { rest } = meter;
  return rest === null || rest.untilMs <= atMs ? meter : { ...meter, rest: { ...rest, untilMs: atMs } };
}

function recent({ slices }: Meter, nowMs: number): readonly Slice[] {
  const oldest = Math.floor(nowMs / sliceMs) - slicesPerWindow;
  return slices[0] !== undefined && slices[0].index >= oldest ? slices : slices.filter(({ index }) => index >= oldest);
}
