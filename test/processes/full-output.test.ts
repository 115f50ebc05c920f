import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { runLonghaul } from "../docs/team-process.ts";

const teamFile = join(import.meta.dirname, "..", "cluster", "fixture", "command-line-team.ts");
const main = join(import.meta.dirname, "..", "..", "src", "cli", "main.ts");

/** `longhaul <args>` whose output and errors go to a disk that is full, or only its output. */
function runToFullDisk(args: readonly string[], stderr: "full" | "pipe") {
  const full = openSync("/dev/full", "w");
  const child = spawn(process.execPath, ["--conditions=longhaul-source", main, ...args], { stdio: ["ignore", full, stderr === "full" ? full : "pipe"] });
  closeSync(full);
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "longhaul-full-output-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test.skipIf(process.platform !== "linux").each([[[]], [["--no-supervisor"]]])("a team whose log is on a full disk works on, unseen: start %j", async (flags) => {
  const folder = newFolder();
  const team = runToFullDisk(["start", teamFile, "--plain", "--data", folder, "--port", "0", ...flags], "full");
  const isRunning = async (): Promise<unknown> => {
    const ps = runLonghaul(["ps", "--json", "--data", folder]);
    await ps.ended;
    return (JSON.parse(ps.lines[0] ?? "{}") as Readonly<Record<string, unknown>>)["isRunning"];
  };
  await expect.poll(isRunning, { timeout: 30_000 }).toBe(true);

  const task = runLonghaul(["task", "adder", "1", "--wait", "--data", folder]);

  expect(await task.ended).toBe(0);
  expect(task.lines).toEqual(["2"]);
  const stops = runLonghaul(["logs", "--type", "stop", "--json", "--data", folder]);
  await stops.ended;
  expect(stops.lines, "its process ended not once").toEqual([]);
  const ended = once(team, "exit");
  team.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
});

test.skipIf(process.platform !== "linux")("a command whose output is on a full disk ends with one error that says so", async () => {
  const errors: string[] = [];
  const command = runToFullDisk(["fake-provider"], "pipe");
  command.stderr?.on("data", (chunk: Buffer) => errors.push(String(chunk)));

  expect(await once(command, "close")).toEqual([1, null]);
  expect(errors.join("")).toMatch(/^error: ENOSPC: no space left on device, write.*\n {2}Next: Make room on the disk/);
  expect(errors.join("")).not.toContain("    at ");
});
