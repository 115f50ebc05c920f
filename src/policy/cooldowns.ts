import type { Clock } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import { LonghaulError } from "../base/error.ts";

/** Whoever waited exactly as long as was asked may come this early: timers do. */
const earlyMs = 10;

/**
 * Dependencies that said when they can be called again. The first caller that is told so spares all others the asking: a rate limit is one of the model,
 * not of a run. Each process learns by a call of its own.
 */
export class Cooldowns {
  readonly #clock: Clock;
  readonly #untilMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** It is to be left alone for so long from now, or for longer if it said so before. */
  note(dependency: string, afterMs: number): void {
    this.#untilMs.set(dependency, Math.max(this.#untilMs.get(dependency) ?? 0, this.#clock.monotonicMs() + afterMs));
  }

  /** @throws {LIMITER_CLOSED} while it is to be left alone; `retry` says for how long. */
  assertOpen(dependency: string): void {
    const leftMs = (this.#untilMs.get(dependency) ?? 0) - this.#clock.monotonicMs();
    if (leftMs > earlyMs) throw new LonghaulError("LIMITER_CLOSED", `${dependency} asked to be left alone for another ${formatDuration(leftMs)}: it is not called before.`, { retry: { afterMs: leftMs }, details: { dependency, afterMs: leftMs } });
    this.#untilMs.delete(dependency);
  }
}
