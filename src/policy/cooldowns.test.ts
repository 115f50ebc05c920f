import { expect, it } from "vitest";
import { VirtualClock } from "../base/virtual-clock.ts";
import { Cooldowns } from "./cooldowns.ts";

it("a dependency that said when to come back is called by nobody before, and by all from then on", async () => {
  const clock = new VirtualClock();
  const cooldowns = new Cooldowns(clock);
  cooldowns.note("m", 30_000);
  cooldowns.note("m", 10_000);
  const refused = expect.objectContaining({ code: "LIMITER_CLOSED", retry: { afterMs: 11 }, message: "m asked to be left alone for another 11 ms: it is not called before." });

  await clock.advance(29_989);
  expect(() => cooldowns.assertOpen("m")).toThrow(refused);
  cooldowns.assertOpen("other");
  // A timer may be early.
  await clock.advance(1);
  cooldowns.assertOpen("m");
});
