import { expect, it } from "vitest";
import { orAborted, orTakenOver } from "./abort.ts";
import { sleep } from "./clock.ts";
import { VirtualClock } from "./virtual-clock.ts";

it("gives what the work comes to, and listens no more", async () => {
  const controller = new AbortController();

  expect(await orAborted(controller.signal, async () => 1)).toBe(1);
  await expect(orAborted(controller.signal, () => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
  controller.abort();
});

it("rejects with the reason as soon as the signal aborts, and begins nothing when it has", async () => {
  const controller = new AbortController();
  const work = orAborted(controller.signal, () => new Promise<never>(() => undefined));
  controller.abort(new Error("enough"));

  await expect(work).rejects.toThrow("enough");
  let hasBegun = false;
  await expect(orAborted(controller.signal, async () => (hasBegun = true))).rejects.toThrow("enough");
  expect(hasBegun).toBe(false);
});

it("hears of an abort that comes right after work that took long, and does not wait after work that did not", async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  const long = orTakenOver(clock, controller.signal, () => sleep(clock, 600));
  const short = orTakenOver(clock, controller.signal, () => sleep(clock, 100));
  let isShortOver = false;
  void short.then(() => (isShortOver = true));
  await clock.advance(100);
  expect(isShortOver).toBe(true);
  await clock.advance(500);
  controller.abort(new Error("taken over"));

  await expect(long).rejects.toThrow("taken over");
});
