import type { Clock } from "../../base/clock.ts";
import { messageOf } from "../../base/error.ts";

const everyMs = 60_000;
/** Messages that are remembered. */
const rememberedMax = 100;

/** Tells people of the same fault once a minute while it lasts, however much work meets it and however often that is tried. */
export function toldRarely(clock: Clock, tell: (error: unknown) => void): (error: unknown) => void {
  /** When it was told of what, by its message. */
  const toldAtMs = new Map<string, number>();
  return (error) => {
    const message = messageOf(error);
    const nowMs = clock.monotonicMs();
    if (nowMs - (toldAtMs.get(message) ?? Number.NEGATIVE_INFINITY) < everyMs) return;
    if (toldAtMs.size === rememberedMax) toldAtMs.clear();
    toldAtMs.set(message, nowMs);
    tell(error);
  };
}
