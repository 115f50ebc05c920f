import { describe, expect, it } from "vitest";
import { JournalEnds } from "./recorded.ts";

describe("where journals end", () => {
  it("is told once: an attempt that was over for another reason may have noted it", () => {
    const ends = new JournalEnds();
    ends.note("inv_1", 0);
    ends.note("inv_2", 3);

    expect([ends.take("inv_2"), ends.take("inv_1"), ends.take("inv_2"), ends.take("inv_1")]).toEqual([3, 0, null, null]);
  });

  it("is kept of the last 1,000 calls", () => {
    const ends = new JournalEnds();
    for (let call = 0; call <= 1_000; call++) ends.note(`inv_${call}`, call);

    expect([ends.take("inv_0"), ends.take("inv_1"), ends.take("inv_1000")]).toEqual([null, 1, 1_000]);
  });
});
