import type { Clock } from "./clock.ts";

/** The longest delay that a platform timer holds. */
const delayMsMax = 2_147_000_000;

/** The machine's clock for a process that is to stay small: `performance`, which `systemClock` reads, takes a megabyte of memory. The same instants as there; delays up to 24 days. */
export const plainClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => Number(process.hrtime.bigint()) / 1e6,
  setTimer(delayMs, run) {
    const handle = setTimeout(run, Math.min(Math.max(delayMs, 0), delayMsMax));
    return { cancel: () => clearTimeout(handle) };
  },
};
