import { sleep, type Clock } from "../base/clock.ts";
import type { Write } from "../record/write.ts";
import type { LeaseGrant, LeaseStore } from "../store/store.ts";

export interface DutyLeaseOptions {
  readonly clock: Clock;
  readonly leases: LeaseStore;
  /** Names this process, for people. */
  readonly holder: string;
  /** Begins the duties. `guard` goes with whatever they write; `vacantMs` is how long nobody had them, null when nobody ever did. */
  readonly begin: (guard: Write, vacantMs: number | null) => Promise<{ close(): Promise<void> }>;
  readonly onError: (error: unknown) => void;
}

/** Of the lease in its store. */
export const dutyLeaseName = "duties";
/** Silent for longer, the holder is taken for dead. */
const leaseMs = 15_000;
const renewEveryMs = 5_000;
/** Whoever does not hold it looks when it expires, and at least so often. */
const lookEveryMs = 5_000;
/** Between two tries to begin duties that could not begin, at the most; at first it is one look. */
const restMsMax = 30_000;
/** An expiry that is looked at by its very millisecond would be looked at twice. */
const afterExpiryMs = 50;

/**
 * What one process at a time does for the whole team: this process does it while it holds the lease.
 *  D1 a holder that is killed is replaced within its lease and one look, 20 s; one that stops gives the lease back, and is replaced at once by whoever is told;
 *  D2 a holder that cannot renew its lease ends its duties before the lease expires, by the monotonic clock;
 *  D3 what a holder writes that was replaced all the same is refused by the guard;
 *  D4 a holder whose duties cannot begin gives the lease back and rests, for longer each time. That the lease is free, as it hears from itself, is nothing new.
 */
export class DutyLease {
  readonly #options: DutyLeaseOptions;
  readonly #closing = new AbortController();
  #woken = new AbortController();
  /** How often the duties could not begin since they last did. */
  #failures = 0;
  #running: Promise<void> | null = null;

  constructor(options: DutyLeaseOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** The lease may be free: look at once. */
  wake(): void {
    this.#woken.abort();
  }

  /** Ends the duties and gives the lease back. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const waitMs = await this.#round().catch((error: unknown) => {
        if (!this.#closing.signal.aborted) this.#options.onError(error);
        return lookEveryMs;
      });
      if (this.#failures === 0) await this.#pause(waitMs, this.#woken.signal);
      else await this.#pause(Math.min(lookEveryMs * 2 ** Math.min(this.#failures - 1, 16), restMsMax));
    }
  }

  /** Takes the lease and has the duties until it is over, or finds it taken. Returns when to look again. */
  async #round(): Promise<number> {
    const { clock, leases, holder } = this.#options;
    const askedAtMs = clock.monotonicMs();
    const answer = await leases.acquire({ name: dutyLeaseName, holder, ttlMs: leaseMs });
    if (answer.epoch === null) {
      // Its duties may have begun elsewhere: it is told when they end.
      this.#failures = 0;
      return Math.min(answer.heldMs + afterExpiryMs, lookEveryMs);
    }
    try {
      if (!this.#closing.signal.aborted) await this.#serve(answer, askedAtMs + leaseMs);
    } finally {
      // By whatever it ends: whoever lost it gives back nothing.
      await leases.release({ name: dutyLeaseName, epoch: answer.epoch });
    }
    return lookEveryMs;
  }

  async #serve({ epoch, vacantMs }: LeaseGrant, expiresAtMs: number): Promise<void> {
    const over = new AbortController();
    const onClosing = (): void => over.abort();
    this.#closing.signal.addEventListener("abort", onClosing, { once: true });
    const renewed = this.#renew(epoch, expiresAtMs, over);
    try {
      this.#failures++;
      const duties = await this.#options.begin({ type: "lease", name: dutyLeaseName, epoch }, vacantMs);
      this.#failures = 0;
      await untilAborted(over.signal);
      await duties.close();
    } finally {
      this.#closing.signal.removeEventListener("abort", onClosing);
      over.abort();
      await renewed;
    }
  }

  /** Renews the lease until `over`, which it brings about when the lease is another one's, or expires. */
  async #renew(epoch: number, firstExpiryMs: number, over: AbortController): Promise<void> {
    const { clock, leases, onError } = this.#options;
    let expiry = clock.setTimer(firstExpiryMs - clock.monotonicMs(), () => over.abort());
    while (await pause(clock, renewEveryMs, over.signal)) {
      const askedAtMs = clock.monotonicMs();
      try {
        if (!(await leases.renew({ name: dutyLeaseName, epoch, ttlMs: leaseMs }))) over.abort();
        expiry.cancel();
        expiry = clock.setTimer(askedAtMs + leaseMs - clock.monotonicMs(), () => over.abort());
      } catch (error) {
        if (!over.signal.aborted) onError(error);
      }
    }
    expiry.cancel();
  }

  async #pause(waitMs: number, woken?: AbortSignal): Promise<void> {
    await pause(this.#options.clock, waitMs, AbortSignal.any([this.#closing.signal, ...(woken === undefined ? [] : [woken])]));
    if (this.#woken.signal.aborted) this.#woken = new AbortController();
  }
}

/** False when the signal ended it. */
function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<boolean> {
  return sleep(clock, delayMs, signal).then(() => true, () => false);
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
