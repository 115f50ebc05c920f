import { expect, it } from "vitest";
import type { Store } from "./store.ts";

/** The part of the store's contract that is about named values which processes change against each other. */
export function testNamedValues(current: () => Store): void {
  it("swaps a named value for one of those who saw it at once, and for nobody who saw another one", async () => {
    const { meta } = current();
    const first = await Promise.all([1, 2, 3].map((n) => meta.swap("breaker", null, { n })));
    expect(first.filter(Boolean)).toHaveLength(1);
    const held = await meta.get("breaker");

    const second = await Promise.all([4, 5, 6].map((n) => meta.swap("breaker", held, { n })));

    expect(second.filter(Boolean)).toHaveLength(1);
    expect(await meta.swap("breaker", held, { n: 7 })).toBe(false);
    expect(await meta.swap("breaker", held, await meta.get("breaker")), "the same again, as after a lost answer").toBe(true);
    expect(await meta.swap("none", { n: 1 }, { n: 8 })).toBe(false);
    expect(await meta.get("breaker")).toEqual({ n: expect.toBeOneOf([4, 5, 6]) });
  });

  it("lists the named values of one beginning, in the order of their names", async () => {
    const { meta } = current();
    for (const name of ["breaker tool b", "breaker %", "breake", "breaker Tool a", "manifest"]) await meta.set(name, { name });

    expect(await meta.list("breaker ")).toEqual(["breaker %", "breaker Tool a", "breaker tool b"].map((name) => ({ name, value: { name } })));
    expect(await meta.list("unknown")).toEqual([]);
  });
}
