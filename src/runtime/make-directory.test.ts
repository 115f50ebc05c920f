import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { makePrivateDirectory } from "./make-directory.ts";

const folder = mkdtempSync(join(tmpdir(), "longhaul-directory-"));
afterAll(() => rmSync(folder, { recursive: true }));

it("makes what is missing for its owner only, and leaves what is there", () => {
  makePrivateDirectory(join(folder, "a", "b"));
  makePrivateDirectory(join(folder, "a", "b"));
  makePrivateDirectory(folder);

  expect(statSync(join(folder, "a")).mode & 0o777).toBe(0o700);
  expect(statSync(join(folder, "a", "b")).mode & 0o777).toBe(0o700);
});

it("says what is in the way: a file, or a link to nowhere", () => {
  writeFileSync(join(folder, "file"), "");
  symlinkSync(join(folder, "nowhere"), join(folder, "link"));

  expect(() => makePrivateDirectory(join(folder, "file"))).toThrow("EEXIST");
  expect(() => makePrivateDirectory(join(folder, "link", "data"))).toThrow("EEXIST");
});

it.runIf(existsSync("/proc/self"))("ends where the system lets nobody make a directory", () => {
  expect(() => makePrivateDirectory("/proc/longhaul-none/data")).toThrow("ENOENT");
});
