import type { Clock } from "../../base/clock.ts";
import { messageOf } from "../../base/error.ts";

const toldEveryMs = 60_000;
/** Messages that are remembered. */
const toldMax = 100;

/** Tells people of what they have to mend, since it does not pass by itself: of each, by its message, once a minute while it lasts, however often it is met. */
export function onceAMinute(clock: Clock, tell: (error: unknown) => void): (error: unknown) => void {
  const toldAtMs = new Map<string, number>();
  return (error) => {
    const message = messageOf(error);
    const nowMs = clock.monotonicMs();
    if (nowMs - (toldAtMs.get(message) ?? Number.NEGATIVE_INFINITY) < toldEveryMs) return;
    if (toldAtMs.size === toldMax) toldAtMs.clear();
    toldAtMs.set(message, nowMs);
    tell(error);
  };
}
