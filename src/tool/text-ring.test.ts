import { expect, test } from "vitest";
import { TextRing } from "./text-ring.ts";

test("keeps the last bytes, however they come", () => {
  const ring = new TextRing(10);

  for (const part of ["abc", "defghijk", "lm"]) ring.append(Buffer.from(part));
  expect(ring.text).toBe("defghijklm");
  ring.append(Buffer.from("x".repeat(1_000) + "0123456789"));
  expect(ring.text).toBe("0123456789");
});

test("is empty before anything is written", () => {
  expect(new TextRing(10).text).toBe("");
});
