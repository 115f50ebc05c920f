import { expect, it } from "vitest";
import { seededRandom } from "../base/random.ts";
import { computeBackoffDelayMs } from "./backoff.ts";
import { type Backoff, contend, contendInTurn, estimate } from "./contention.testsuite.ts";

const clients = 100;
const stories = 100;
const baseMs = 5;
const capMs = 2_000;

const fullJitter: Backoff = (failures, _, random) => computeBackoffDelayMs({ attempt: failures + 1, baseMs, capMs, random });

/** Means of the source, for 100 clients. */
const published: readonly { readonly name: string; readonly completedMs: number; readonly calls: number; readonly backoff: Backoff }[] = [
  { name: "none", completedMs: 2_034, calls: 2_428, backoff: () => 0 },
  { name: "full jitter", completedMs: 4_873, calls: 797, backoff: fullJitter },
  { name: "decorrelated jitter", completedMs: 4_770, calls: 1_004, backoff: (_, lastMs, random) => Math.min(capMs, baseMs + random.next() * ((lastMs === 0 ? baseMs : lastMs) * 3 - baseMs)) },
];

it.each(published)("a hundred clients that contend for one row with backoff '$name' take the time and the calls that were published", ({ name, completedMs, calls, backoff }) => {
  const told = Array.from({ length: stories }, (_, story) => contend(clients, backoff, seededRandom(`${name} ${story}`)));

  const time = estimate(told.map((end) => end.completedMs));
  const count = estimate(told.map((end) => end.calls));

  expect(Math.abs(time.mean - completedMs) / time.standardError).toBeLessThan(4);
  expect(Math.abs(count.mean - calls) / count.standardError).toBeLessThan(4);
});

it.each([10, 20, 30, 40, 50, 60, 70, 80, 90, 100])("%d clients that wait for their turn at one limiter make hardly more calls than there are clients, in no more time than with full jitter", async (count) => {
  const tell = <T>(story: (seed: number) => T): readonly T[] => Array.from({ length: 20 }, (_, seed) => story(seed));
  const jittered = tell((seed) => contend(count, fullJitter, seededRandom(`full jitter ${seed}`)));
  const inTurn = await Promise.all(tell((seed) => contendInTurn(count, seededRandom(`in turn ${seed}`))));

  expect(Math.max(...inTurn.map(({ calls }) => calls))).toBeLessThanOrEqual(1.05 * count);
  expect(estimate(inTurn.map(({ completedMs }) => completedMs)).mean).toBeLessThanOrEqual(estimate(jittered.map(({ completedMs }) => completedMs)).mean);
});
