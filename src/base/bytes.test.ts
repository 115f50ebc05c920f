import { expect, it } from "vitest";
import { formatBytes } from "./amount-text.ts";
import { parseBytes } from "./bytes.ts";

it.each([
  ["512MB", 512_000_000],
  ["1.5GB", 1_500_000_000],
  ["768 MiB", 805_306_368],
  ["64KiB", 65_536],
])("%s are %i bytes", (text, bytes) => {
  expect(parseBytes(text, "--memory-max")).toBe(bytes);
});

it.each(["", "12", "0MB", "-1GB", "1tb", "1.5", "many"])("refuses %j, and names the option", (text) => {
  expect(() => parseBytes(text, "--memory-max")).toThrow(/^--memory-max is .*512MB/);
});

it.each([
  [1_500, "2 KB"],
  [96_400_000, "96 MB"],
  [1_240_000_000, "1.2 GB"],
])("shows %i as %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});
