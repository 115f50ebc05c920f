import { expect, it } from "vitest";
import { cutToWidth, padToWidth, textWidth } from "./text-width.ts";

it("counts two columns for CJK characters and emoji, none for colours and combining marks", () => {
  expect(["abc", "東京", "👩‍👩‍👧", "e\u0301", "\u001B[31mred\u001B[39m", "⚠️", "…", ""].map(textWidth)).toEqual([3, 4, 2, 1, 3, 2, 1, 0]);
});

it("cuts between characters, never wider than asked", () => {
  expect(cutToWidth("longhaul", 5)).toBe("long…");
  expect(cutToWidth("東京都", 4)).toBe("東…");
  expect(cutToWidth("東京", 4)).toBe("東京");
  expect(cutToWidth("abc", 0)).toBe("");
});

it("pads by columns, on the side that is asked", () => {
  expect(padToWidth("東京", 6)).toBe("東京  ");
  expect(padToWidth("12", 5, "right")).toBe("   12");
  expect(padToWidth("wider", 2)).toBe("wider");
});
