import { describe, expect, it } from "vitest";
import { LonghaulError, type RetryAdvice } from "../base/error.ts";
import { type Random, seededRandom } from "../base/random.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import { RetryQuota } from "./retry-quota.ts";
import { computeRetry, retryDefaults, withRetry, type WithRetryOptions } from "./retry.ts";

/** Always the longest delay, so that a test can say which one it is. */
const longest: Random = { next: () => 1 - 2 ** -32, split: () => longest };

function failing(advice: RetryAdvice): LonghaulError {
  return new LonghaulError("MODEL_TRANSIENT", "The provider answered 503. Nothing to do: it is tried again.", { retry: advice });
}

describe("computeRetry", () => {
  const decide = (attempt: number, advice: RetryAdvice) => computeRetry({ attempt, attemptsMax: 3, advice, baseMs: 50, capMs: 20_000, random: longest });

  it("gives up at once what must not be tried again", () => {
    expect(decide(1, "never")).toEqual({ kind: "give-up", why: "not-retryable" });
  });

  it("backs off until the attempts are used up", () => {
    expect(decide(1, "backoff")).toEqual({ kind: "retry", delayMs: 50 });
    expect(decide(2, "backoff")).toEqual({ kind: "retry", delayMs: 100 });
    expect(decide(3, "backoff")).toEqual({ kind: "give-up", why: "attempts-used" });
  });

  it("honours a stated wait exactly, up to the park limit", () => {
    expect(decide(1, { afterMs: 20_000 })).toEqual({ kind: "retry", delayMs: 20_000 });
    expect(decide(2, { afterMs: 0 })).toEqual({ kind: "retry", delayMs: 0 });
    expect(decide(2, { afterMs: -5 })).toEqual({ kind: "retry", delayMs: 0 });
    expect(decide(3, { afterMs: 20_000 })).toEqual({ kind: "give-up", why: "attempts-used" });
  });

  // vercel/ai#7247, #5018: a Retry-After of 120 s must not burn attempts.
  it("parks for a longer stated wait, at any attempt", () => {
    expect(decide(1, { afterMs: 20_001 })).toEqual({ kind: "park", delayMs: 20_001 });
    expect(decide(3, { afterMs: 120_000 })).toEqual({ kind: "park", delayMs: 120_000 });
    expect(computeRetry({ attempt: 1, attemptsMax: 3, advice: { afterMs: 5 }, baseMs: 50, capMs: 100, parkAfterMs: 4, random: longest })).toEqual({ kind: "park", delayMs: 5 });
  });
});

describe("withRetry", () => {
  function observed(options: Partial<WithRetryOptions>, outcomes: readonly unknown[]) {
    const clock = new VirtualClock();
    const startedAtMs = clock.now();
    const attemptsAtMs: number[] = [];
    const retries: { readonly attempt: number; readonly delayMs: number }[] = [];
    const result = withRetry({ clock, random: longest, onRetry: ({ attempt, delayMs }) => retries.push({ attempt, delayMs }), ...options }, async (attempt) => {
      attemptsAtMs.push(clock.now() - startedAtMs);
      const outcome = outcomes[attempt - 1];
      if (outcome instanceof Error) throw outcome;
      return outcome;
    });
    const settled = result.then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    return { clock, attemptsAtMs, retries, settled };
  }

  it("returns what a later attempt returned, and tells of every wait before it", async () => {
    const { clock, attemptsAtMs, retries, settled } = observed({}, [failing("backoff"), new Error("no advice"), "ok"]);
    await clock.advance(1000);

    expect(await settled).toEqual({ value: "ok" });
    expect(attemptsAtMs).toEqual([0, 50, 150]);
    expect(retries).toEqual([
      { attempt: 1, delayMs: 50 },
      { attempt: 2, delayMs: 100 },
    ]);
  });

  it("makes 3 attempts by default, then rejects with the last error itself", async () => {
    const last = failing("backoff");
    const { clock, attemptsAtMs, settled } = observed({}, [failing("backoff"), failing("backoff"), last, "never reached"]);
    await clock.advance(60_000);

    expect(await settled).toEqual({ error: last });
    expect(attemptsAtMs).toHaveLength(retryDefaults.attemptsMax);
  });

  it("waits longer after a throttled answer, and takes another base and cap where given", async () => {
    const throttled = new LonghaulError("MODEL_THROTTLED", "429. Nothing to do.", { retry: "backoff" });
    const overloaded = new LonghaulError("MODEL_OVERLOADED", "529. Nothing to do.", { retry: "backoff" });
    const byDefault = observed({}, [throttled, overloaded, "ok"]);
    await byDefault.clock.advance(10_000);
    const given = observed({ baseMs: 10, capMs: 15, attemptsMax: 4 }, [throttled, throttled, throttled, "ok"]);
    await given.clock.advance(10_000);

    expect(byDefault.attemptsAtMs).toEqual([0, 1000, 3000]);
    expect(given.attemptsAtMs).toEqual([0, 10, 25, 40]);
  });

  it("never tries again what must not be", async () => {
    const never = failing("never");
    const { attemptsAtMs, retries, settled } = observed({}, [never, "never reached"]);

    expect(await settled).toEqual({ error: never });
    expect(attemptsAtMs).toEqual([0]);
    expect(retries).toEqual([]);
  });

  it("sleeps exactly the stated wait", async () => {
    const { clock, attemptsAtMs } = observed({ random: seededRandom(1) }, [failing({ afterMs: 7321 }), "ok"]);

    await clock.advance(7320);
    expect(attemptsAtMs).toEqual([0]);
    await clock.advance(1);
    expect(attemptsAtMs).toEqual([0, 7321]);
  });

  it("hands a long stated wait to the caller at once, as the error that says how long", async () => {
    const { clock, settled } = observed({}, [failing({ afterMs: 120_000 }), "never reached"]);

    expect(await settled).toMatchObject({ error: { retry: { afterMs: 120_000 } } });
    expect(clock.pendingAtMs).toEqual([]);
  });

  it("stops waiting when the signal aborts, and leaves no timer and no listener", async () => {
    const controller = new AbortController();
    const { clock, attemptsAtMs, settled } = observed({ signal: controller.signal }, [failing({ afterMs: 5000 }), "never reached"]);
    await clock.advance(1000);

    const reason = new Error("drained");
    controller.abort(reason);

    expect(await settled).toEqual({ error: reason });
    await clock.advance(60_000);
    expect(attemptsAtMs).toEqual([0]);
    expect(clock.pendingAtMs).toEqual([]);
  });

  it("begins no attempt once aborted, and does not take the body's failure for more than the abort", async () => {
    const reason = new Error("drained");
    const before = observed({ signal: AbortSignal.abort(reason) }, ["never reached"]);
    const controller = new AbortController();
    const during = withRetry({ clock: new VirtualClock(), random: longest, signal: controller.signal }, async () => {
      controller.abort(reason);
      throw failing("never");
    });

    expect(await before.settled).toEqual({ error: reason });
    expect(before.attemptsAtMs).toEqual([]);
    await expect(during).rejects.toBe(reason);
  });
});

it("a retry that a breaker holds back takes nothing out of the quota, and one that the quota refuses is not made", async () => {
  const clock = new VirtualClock();
  const quota = new RetryQuota({ tokensMax: 20, transientCost: 14, throttledCost: 5, successRefund: 1 });
  const held = new LonghaulError("BREAKER_OPEN", "held back", { retry: { afterMs: 30_000 } });
  const run = async (errors: readonly LonghaulError[]): Promise<number> => {
    let attempts = 0;
    const ended = withRetry({ clock, random: longest, quota: () => quota }, async () => {
      throw errors[attempts++] ?? new Error("too many attempts");
    }).catch(() => undefined);
    await clock.advance(60_000);
    await ended;
    return attempts;
  };

  expect([await run([failing("backoff"), held]), quota.tokens]).toEqual([2, 20]);
  expect([await run([failing("backoff"), failing("backoff"), failing("backoff")]), quota.tokens]).toEqual([2, 6]);
});

it.each([["MODEL_TRANSIENT", "MODEL_TRANSIENT"], ["MODEL_OVERLOADED", "MODEL_OVERLOADED"], ["MODEL_THROTTLED", "LIMITER_CLOSED"]] as const)("after %s, a retry whose turn is far off ends as %s", async (code, end) => {
  const clock = new VirtualClock();
  const errors = [new LonghaulError(code, "failed", { retry: "backoff" }), new LonghaulError("LIMITER_CLOSED", "no turn", { retry: { afterMs: 60_000 } })];
  let attempts = 0;
  const ended = withRetry({ clock, random: longest }, async () => {
    throw errors[attempts++] ?? new Error("too many attempts");
  }).catch((error: unknown) => error);

  await clock.advance(60_000);

  expect(await ended).toMatchObject({ code: end });
  expect(attempts).toBe(2);
});
