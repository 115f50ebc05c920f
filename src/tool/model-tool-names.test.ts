import { expect, test } from "vitest";
import { toModelToolNames } from "./model-tool-names.ts";

test("names that models take stay, others have their odd characters replaced", () => {
  expect([...toModelToolNames(["read_file", "files/read", "a.b", "ünï"])]).toEqual([["read_file", "read_file"], ["files/read", "files_read"], ["a.b", "a_b"], ["ünï", "_n_"]]);
});

test("names that would become one another's stay apart, in whichever order they are listed, and fit", () => {
  const names = ["files_read", "files/read", "files.read", `${"x".repeat(70)}1`, `${"x".repeat(70)}2`];
  const given = toModelToolNames(names);

  expect(given.get("files_read")).toBe("files_read");
  expect(new Set(given.values()).size).toBe(names.length);
  expect([...given.values()].every((name) => /^[a-zA-Z0-9_-]{1,64}$/.test(name))).toBe(true);
  expect(new Map([...toModelToolNames(names.toReversed())].toReversed())).toEqual(given);
});
