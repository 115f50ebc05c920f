import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readJsonArgument } from "./task-input.ts";

it("reads JSON from the argument, from a file and from standard input; nothing is null", () => {
  const folder = mkdtempSync(join(tmpdir(), "longhaul-input-"));
  writeFileSync(join(folder, "input.json"), '{"from":"file"}');

  expect(readJsonArgument('{"a":1}', "The input")).toEqual({ a: 1 });
  expect(readJsonArgument(`@${join(folder, "input.json")}`, "The input")).toEqual({ from: "file" });
  expect(readJsonArgument("-", "The input", () => "[1]")).toEqual([1]);
  expect(readJsonArgument(undefined, "The input")).toBe(null);
  rmSync(folder, { recursive: true });
});

it("names what is not JSON, shortened, and how to quote it", () => {
  expect(() => readJsonArgument("{company: Acme}", "The input")).toThrow(/The input is not JSON: \{company: Acme\}[\s\S]*Quote it for the shell/);
  expect(() => readJsonArgument(`x${"y".repeat(200)}`, "The input")).toThrow(/y…/);
  expect(() => readJsonArgument("@no-such-file.json", "The input")).toThrow("there is no file no-such-file.json");
  expect(() => readJsonArgument("@/", "The input")).toThrow(expect.objectContaining({ code: "CLI_USAGE", message: "The input: / is a folder. Give a file that holds JSON." }));
  expect(() => readJsonArgument("@", "The input")).toThrow("The input: there is no file behind the @.");
});
