import type { Clock } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import { LonghaulError } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import type { Random } from "../base/random.ts";
import { admit, type Breaker, type CallEnd, closedBreaker, type Pass, settle } from "./breaker.ts";
import { breakerFromJson, breakerToJson } from "./breaker-json.ts";
import { breakerConfigOf, isCallee } from "./callee-dependency.ts";

/** Where breakers are kept, so that they outlive the process and workers share them. */
export interface BreakerMemory {
  /** Null when there is nothing of this name. */
  load(name: string): Promise<Json>;
  /** Replaces what is there if it is still `before`, null for nothing, or is `after` already. */
  swap(name: string, before: Json, after: Json): Promise<boolean>;
}

/** What became of a breaker. */
export interface BreakerChange {
  readonly dependency: string;
  readonly from: Breaker["state"];
  readonly to: Breaker["state"];
  /** How long nothing is let through from now; null unless it opened. */
  readonly openMs: number | null;
}

export interface BreakersOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly memory: BreakerMemory;
  readonly newId: () => string;
  /** Told of each change of state, in the process that made it. */
  readonly onChange?: (change: BreakerChange) => void;
}

interface Entry {
  breaker: Breaker;
  /** What the memory held when it was last looked at. */
  stored: Json;
  lookedAtMs: number;
  /** The last of those who look or write, one after the other. */
  turn: Promise<unknown>;
}

/** A breaker that seems closed is looked at again after this long, when a call asks: another worker may have opened it. */
const lookAgainMs = 5_000;
/** Tries against other processes that change the same breaker. What is still contended then is decided by what this process knows. */
const triesMax = 10;

/**
 * The breakers of a team, by dependency. While one is closed a call costs nothing but its count, in this process; each change of state is kept by
 * compare-and-set, so that of all workers as many probe as may. A memory that fails fails no call: breakers then go by what this process knows.
 */
export class Breakers {
  readonly #options: BreakersOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: BreakersOptions) {
    this.#options = options;
  }

  /** `id`: of a call whose end another process may learn (`note`); the same one is let through again. @throws {BREAKER_OPEN} when nothing is let through now; `retry` says when to ask again. */
  async enter(name: string, id = this.#options.newId()): Promise<Pass> {
    const { clock } = this.#options;
    const config = breakerConfigOf(name);
    return await this.#inTurn(name, async (entry) => {
      const nowMs = clock.monotonicMs();
      // Whoever waited for long may have been told that a person closed it.
      const { state } = entry.breaker;
      if (state === "isolated" || (state !== "closed" && isCallee(name)) || this.#isStale(entry)) await this.#look(name, entry);
      for (let tries = 1; ; tries++) {
        const admission = admit(entry.breaker, id, nowMs, config);
        if (!(await this.#keep(name, entry, admission.breaker, tries))) continue;
        if (admission.pass !== null) return admission.pass;
        throw refusal(name, entry.breaker, admission.retryAtMs === null ? config.askIsolatedAgainMs : Math.max(0, admission.retryAtMs - nowMs));
      }
    });
  }

  /** Takes what came of a call that was let through. Never rejects: what is lost here a lease makes up for. */
  async leave(name: string, pass: Pass, end: CallEnd): Promise<void> {
    await this.#inTurn(name, (entry) => this.#settle(name, entry, () => pass, end));
  }

  /** Takes what came of a call that was let through under this id, long ago or in another process: while others are being tried, it counts if it is one of them. Never rejects. */
  async note(name: string, id: string, end: CallEnd): Promise<void> {
    await this.#inTurn(name, async (entry) => {
      if (this.#isStale(entry)) await this.#look(name, entry);
      await this.#settle(name, entry, ({ generation }) => ({ id, generation }), end);
    });
  }

  /** True of a call that tries whether the dependency works again. */
  async isProbe(name: string, id: string): Promise<boolean> {
    return await this.#inTurn(name, async (entry) => {
      if (this.#isStale(entry)) await this.#look(name, entry);
      return entry.breaker.state === "half-open" && entry.breaker.leases.some((lease) => lease.id === id);
    });
  }

  /** For how long calls are held back, by what this process knows; null when they are let through. */
  refusedForMs(name: string): number | null {
    const breaker = this.#entries.get(name)?.breaker;
    if (breaker === undefined || breaker.state === "closed") return null;
    return breaker.state === "open" ? Math.max(0, breaker.untilMs - this.#options.clock.monotonicMs()) : breakerConfigOf(name).askAgainMs;
  }

  async #settle(name: string, entry: Entry, passOf: (breaker: Breaker) => Pass, end: CallEnd): Promise<void> {
    const { clock, random } = this.#options;
    for (let tries = 1; ; tries++) {
      const settled = settle(entry.breaker, passOf(entry.breaker), end, clock.monotonicMs(), breakerConfigOf(name), random);
      if (await this.#keep(name, entry, settled, tries)) return;
    }
  }

  #isStale({ lookedAtMs }: Entry): boolean {
    return this.#options.clock.monotonicMs() - lookedAtMs >= lookAgainMs;
  }

  async #inTurn<T>(name: string, work: (entry: Entry) => Promise<T>): Promise<T> {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      entry = { breaker: closedBreaker(), stored: null, lookedAtMs: Number.NEGATIVE_INFINITY, turn: Promise.resolve() };
      this.#entries.set(name, entry);
    }
    const held = entry;
    const result = held.turn.then(() => work(held));
    held.turn = result.catch(() => undefined);
    return await result;
  }

  /** False when another process had changed it: `entry` is as that one left it. */
  async #keep(name: string, entry: Entry, breaker: Breaker, tries: number): Promise<boolean> {
    const before = entry.breaker;
    // The window of a closed breaker is this process's own.
    const isKept = breaker === before || (breaker.state === "closed" && before.state === "closed");
    if (!isKept) {
      const after = breakerToJson(breaker, this.#options.clock);
      const hasSwapped = await this.#swap(name, entry.stored, after);
      if (hasSwapped === false && tries < triesMax) {
        await this.#look(name, entry);
        return false;
      }
      if (hasSwapped === true) entry.stored = after;
    }
    entry.breaker = breaker;
    if (before.state !== breaker.state) this.#tell(name, before, breaker);
    return true;
  }

  /** Null when the memory failed. */
  async #swap(name: string, before: Json, after: Json): Promise<boolean | null> {
    try {
      return await this.#options.memory.swap(name, before, after);
    } catch {
      return null;
    }
  }

  async #look(name: string, entry: Entry): Promise<void> {
    const { clock, memory } = this.#options;
    try {
      const stored = await memory.load(name);
      if (stored !== null && JSON.stringify(stored) !== JSON.stringify(entry.stored)) entry.breaker = breakerFromJson(stored, clock, breakerConfigOf(name));
      entry.stored = stored;
    } catch {
      // It goes by what it knows, and looks again with a later call.
    }
    entry.lookedAtMs = clock.monotonicMs();
  }

  #tell(dependency: string, from: Breaker, to: Breaker): void {
    this.#options.onChange?.({ dependency, from: from.state, to: to.state, openMs: to.state === "open" ? to.untilMs - this.#options.clock.monotonicMs() : null });
  }
}

function refusal(name: string, breaker: Breaker, afterMs: number): LonghaulError {
  return new LonghaulError("BREAKER_OPEN", `${name} ${whyRefused(breaker, afterMs)}.`, { retry: { afterMs }, details: { dependency: name, state: breaker.state, generation: breaker.generation, afterMs } });
}

function whyRefused(breaker: Breaker, afterMs: number): string {
  if (breaker.state === "isolated") return `is not called: a person keeps it so: ${breaker.reason}`;
  return breaker.state === "half-open" ? "is not called yet: other runs try whether it works again" : `is not called for another ${formatDuration(afterMs)}: most calls of it failed`;
}
