import { expect, it } from "vitest";
import { printable, printableLine } from "./printable.ts";

it("replaces what steers a terminal and keeps lines", () => {
  expect(printable("a\u001B[2Jb\r\n\tc\u202Ed")).toBe("a\uFFFD[2Jb\uFFFD\n\tc\uFFFDd");
});

it("makes one line of several", () => {
  expect(printableLine("  one\n  two\u0007 ")).toBe("one two\uFFFD");
});
