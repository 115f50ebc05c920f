import { afterAll, describe, expect, it } from "vitest";
import { slotSeeds, slotSuite, SlotStory } from "./fixture/slot-story.ts";

describe("slots, whatever is refused on the way", () => {
  afterAll(() => slotSuite.destroy(), 120_000);

  it.each(slotSeeds)("SEED=%i", async (seed) => {
    expect(await new SlotStory(await slotSuite.create(), seed).tell(20)).toEqual([]);
  });
});
