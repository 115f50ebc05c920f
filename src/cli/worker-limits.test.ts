import { expect, it } from "vitest";
import { blockedAfterValue, bytesValue, defaultMemoryMax } from "./worker-limits.ts";

it.each([
  ["a container's limit", 1_000_000_000, 64_000_000_000, 750_000_000],
  ["the machine's, without a container", 0, 1_600_000_000, 1_200_000_000],
  ["the machine's, where the system says nothing", undefined, 800_000_000, 600_000_000],
  ["the machine's, where a container is said to have more", 2 ** 63, 800_000_000, 600_000_000],
  ["1.5 GB, where there is more", 64_000_000_000, 64_000_000_000, 1_500_000_000],
])("takes three quarters of %s", (_name, container, machine, bytes) => {
  expect(defaultMemoryMax(container, machine)).toBe(bytes);
});

it("refuses what cannot be told, and says what can be", () => {
  expect(blockedAfterValue("3s")).toBe(3_000);
  expect(() => blockedAfterValue("2s")).toThrow("at least 3s");
  expect(bytesValue("2GB")).toBe(2e9);
  expect(() => bytesValue("2")).toThrow('"1.5GB"');
});
