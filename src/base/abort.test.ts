import { expect, it } from "vitest";
import { orAborted } from "./abort.ts";

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
