import { array, assert, integer, property, stringMatching } from "fast-check";
import { expect, test } from "vitest";
import { LineSplitter } from "./line-splitter.ts";

test("lines come out as they went in, wherever the stream is cut", () => {
  assert(property(array(stringMatching(/^[^\n\r]*$/)), array(integer({ min: 1, max: 7 })), (lines, cuts) => {
    const splitter = new LineSplitter(1_000);
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
    const seen: string[] = [];
    for (let at = 0, cut = 0; at < bytes.length; at += cuts[cut++ % cuts.length] ?? 5) seen.push(...splitter.take(bytes.subarray(at, at + (cuts[cut % cuts.length] ?? 5))));

    expect(seen).toEqual(lines.map((line) => Buffer.from(line).toString()));
  }));
});

test("a line over the limit ends it: its beginning is kept, and nothing that follows", () => {
  const splitter = new LineSplitter(10);

  expect(splitter.take(Buffer.from("0123456789\r\n"))).toEqual([]);
  expect(splitter.isOver).toBe(true);
  expect(splitter.take(Buffer.from("\nshort\n"))).toEqual([]);
  expect(splitter.beginning(4).toString()).toBe("0123");
});

test("a line of exactly the limit passes, and what was complete before one over it too", () => {
  const splitter = new LineSplitter(10);

  expect(splitter.take(Buffer.from("a\n0123456789\n"))).toEqual(["a", "0123456789"]);
  expect(splitter.take(Buffer.from("b\n0123456789-\nc\n"))).toEqual(["b"]);
  expect(splitter.isOver).toBe(true);
});
