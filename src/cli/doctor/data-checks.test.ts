import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { systemClock } from "../../base/clock.ts";
import type { FileSystemFacts } from "../../base/machine.ts";
import { dataDirectory } from "../../runtime/data-directory.ts";
import { checkData, judgeDisk } from "./data-checks.ts";

const facts = (usedRatio: number | null): FileSystemFacts => ({ freeBytes: 50e9, totalBytes: 500e9, usedRatio, kind: "disk" });

describe("a large disk", () => {
  it.each([
    { usedRatio: 0.9, isStopped: false, status: "fail" },
    { usedRatio: 0.89, isStopped: false, status: "ok" },
    { usedRatio: 0.89, isStopped: true, status: "fail" },
    { usedRatio: 0.88, isStopped: true, status: "ok" },
    { usedRatio: null, isStopped: false, status: "ok" },
  ])("$usedRatio full, where tasks were kept from beginning: $isStopped, is $status", ({ usedRatio, isStopped, status }) => {
    expect(judgeDisk(facts(usedRatio), { fileBytes: 1e6, isStopped })).toMatchObject({ status });
  });

  it("on which no task begins says so, and what to do", () => {
    expect(judgeDisk(facts(0.914), { fileBytes: 1e6, isStopped: false })).toEqual({
      name: "disk", status: "fail", found: "50 GB of 500 GB are free; it is 91 % full, and no task begins from 90 % on until it is at 88 %", next: "Make room on it. Tasks begin again by themselves.",
    });
  });
});

it("tries a folder that others may write to under a name that nobody can have laid there before, and leaves nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "longhaul-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const victim = join(folder, "victim");
  writeFileSync(victim, "whole");
  symlinkSync(victim, join(folder, `.longhaul-doctor-${process.pid}`));
  const before = readdirSync(folder);

  const checks = await checkData(dataDirectory(join(folder, "not-there-yet")), systemClock, () => {
    throw new Error("there is nothing to open");
  });

  expect(checks[0]).toMatchObject({ name: "data directory", status: "ok" });
  expect(readFileSync(victim, "utf8")).toBe("whole");
  expect(readdirSync(folder)).toEqual(before);
});
