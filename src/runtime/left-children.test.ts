import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import { systemProcess } from "../base/process.ts";
import { until } from "../base/fixture/until.ts";
import { createChildLedger, endLeftChildren } from "./left-children.ts";

const own = systemProcess();
/** Has ended, or never was. */
const nobody = { ...own, pid: 2 ** 22 + 1, startTime: "1" };
const nowMs = systemClock.now();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "longhaul-children-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function child(): { readonly pid: number; readonly isAlive: () => boolean; readonly end: () => void } {
  const { pid = 0 } = spawn(process.execPath, ["-e", "setInterval(() => undefined, 1000)"], { detached: true, stdio: "ignore" });
  const startTime = own.startTimeOf(pid) ?? "";
  return { pid, isAlive: () => own.isAlive(pid, startTime), end: () => own.killGroup(pid) };
}

test("a child whose parent has ended is ended, and forgotten", async () => {
  const left = child();
  createChildLedger(folder, nobody).began(left.pid);

  expect(endLeftChildren(folder, () => own, nowMs)).toBe(1);
  await until("the child is gone", () => !left.isAlive());
  expect(readdirSync(folder)).toEqual([]);
});

test("a child of a process that lives is left alone, as is one of another container", () => {
  const [ours, foreign] = [child(), child()];
  createChildLedger(folder, own).began(ours.pid);
  createChildLedger(folder, { ...nobody, pidNamespace: "another" }).began(foreign.pid);

  expect(endLeftChildren(folder, () => own, nowMs)).toBe(0);
  expect([ours.isAlive(), foreign.isAlive()]).toEqual([true, true]);
  expect(readdirSync(folder)).toHaveLength(2);
  expect(endLeftChildren(folder, () => own, nowMs + 31 * 86_400_000)).toBe(0);
  expect([ours.isAlive(), foreign.isAlive(), readdirSync(folder)]).toEqual([true, true, [expect.stringMatching(`-${ours.pid}`)]]);
  ours.end();
  foreign.end();
});

test("a process that only has the number of a child, after its end or another boot, is left alone, and the child forgotten", () => {
  const stranger = child();
  const note = createChildLedger(folder, nobody);
  note.began(stranger.pid);
  const [file = ""] = readdirSync(folder);
  const noted = JSON.parse(readFileSync(join(folder, file), "utf8")) as object;
  writeFileSync(join(folder, file), JSON.stringify({ ...noted, startTime: "7" }));
  createChildLedger(folder, { ...nobody, pid: nobody.pid + 1, bootId: "another" }).began(stranger.pid);

  expect(endLeftChildren(folder, () => own, nowMs)).toBe(0);
  expect(stranger.isAlive()).toBe(true);
  expect(readdirSync(folder)).toEqual([]);
  stranger.end();
});

test("one that ended is forgotten, and a file that was cut off harms nothing", () => {
  const ended = child();
  const ledger = createChildLedger(folder, nobody);
  ledger.began(ended.pid);
  ledger.ended(ended.pid);
  expect(readdirSync(folder)).toEqual([]);
  writeFileSync(join(folder, "1-2.json"), '{"pid":');

  expect(endLeftChildren(folder, () => own, nowMs)).toBe(0);
  expect(readdirSync(folder)).toEqual([]);
  expect(endLeftChildren(join(folder, "none"), () => own, nowMs)).toBe(0);
  ended.end();
});

test("a child that cannot be noted runs all the same", () => {
  writeFileSync(join(folder, "file"), "");

  expect(() => createChildLedger(join(folder, "file", "children"), own).began(process.pid)).not.toThrow();
});
