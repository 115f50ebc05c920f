import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { systemProcess } from "../base/process.ts";
import { assertNoOtherSupervisor, readRestartNote } from "./read-restart-note.ts";
import { removeRestartNote, writeRestartNote } from "./restart-note.ts";

const note = { restartAtMs: 5, crashesWithinHour: 3, last: { atMs: 4, reason: "was killed by SIGKILL" } };

function newFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "longhaul-restart-note-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "supervisor.json");
}

it("is read while its supervisor lives, and keeps every process but that one's own from starting the team", () => {
  const file = newFile();
  const self = systemProcess();
  writeRestartNote(file, note, self);

  expect(readRestartNote(file, self)).toEqual({ ...note, pid: process.pid });
  expect(() => assertNoOtherSupervisor(file, self, 1)).toThrow(expect.objectContaining({ code: "ENGINE_OWNED" }));
  expect(() => assertNoOtherSupervisor(file, self, process.pid)).not.toThrow();
});

it.each([
  ["a process that ended, whose pid another one has", { startTime: "0" }],
  ["another boot", { bootId: "another" }],
  ["another container", { pidNamespace: "pid:[1]" }],
])("says nothing when it is of %s", (_, change) => {
  const file = newFile();
  const self = systemProcess();
  const { pid, startTime, bootId, pidNamespace } = self;
  writeRestartNote(file, note, { pid, startTime, bootId, pidNamespace, ...change });

  expect(readRestartNote(file, self)).toBeNull();
  expect(() => assertNoOtherSupervisor(file, self, 1)).not.toThrow();
});

it("says nothing when it was removed, or cut off by a full disk", () => {
  const file = newFile();
  const self = systemProcess();
  writeRestartNote(file, note, self);
  removeRestartNote(file);
  expect(readRestartNote(file, self)).toBeNull();

  writeFileSync(file, '{"pid":');
  expect(readRestartNote(file, self)).toBeNull();
});
