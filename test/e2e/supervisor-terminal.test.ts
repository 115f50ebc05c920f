import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it, onTestFinished } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { systemProcess } from "../../src/base/process.ts";
import { root, teamFile, temporaryFolder } from "./fixture/longhaul.ts";

// `longhaul start` in a terminal of its own, with keys.

const isAlive = (pid: number): boolean => systemProcess().startTimeOf(pid) !== null;
const waitMs = 30_000;

async function until<T>(what: string, look: () => T | null): Promise<T> {
  for (const untilMs = systemClock.monotonicMs() + waitMs; systemClock.monotonicMs() < untilMs; await sleep(systemClock, 50)) {
    const found = look();
    if (found !== null) return found;
  }
  throw new Error(`${what}: not within ${waitMs} ms`);
}

interface Terminal {
  readonly child: ChildProcess;
  readonly screen: () => string;
  readonly press: (keys: string) => void;
  readonly ended: Promise<number | null>;
  readonly workerPid: () => number;
}

function openTerminal(): Terminal {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  const data = join(folder.path, "data");
  const command = [process.execPath, "--conditions=longhaul-source", join(root, "src", "cli", "longhaul.ts"), "start", teamFile, "--data", data, "--port", "0"];
  const child = spawn("script", ["-qfec", `stty cols 100 rows 30; exec ${command.join(" ")}`, "/dev/null"], { cwd: folder.path, stdio: ["pipe", "pipe", "inherit"] });
  const workerPid = (): number => {
    if (!existsSync(join(data, "longhaul.db"))) return 0;
    const db = new DatabaseSync(join(data, "longhaul.db"), { readOnly: true, timeout: 5_000 });
    try {
      return Number(db.prepare("SELECT pid FROM lh_owner").get()?.["pid"] ?? 0);
    } finally {
      db.close();
    }
  };
  const ended = new Promise<number | null>((resolve) => void child.once("close", resolve));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    const pid = workerPid();
    if (pid > 0 && isAlive(pid)) process.kill(pid, "SIGKILL");
    await ended;
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return { child, workerPid, ended, screen: () => text, press: (keys) => void child.stdin.write(keys) };
}

const hasTerminals = spawnSync("script", ["-qec", "true", "/dev/null"], { stdio: ["ignore", "ignore", "ignore"] }).status === 0;
if (!hasTerminals) console.warn("Not shown here: keys in a terminal. It needs script of util-linux.");

it.runIf(hasTerminals)("Ctrl-\\ ends both processes, as it does with a program that does not read keys", async () => {
  const { workerPid, screen, press, ended } = openTerminal();
  await until("the start", () => (screen().includes("Ctrl-C stops it") ? true : null));
  const pid = workerPid();

  press("\u001C");

  expect(await ended).toBe(131);
  await until("the end of the worker", () => (isAlive(pid) ? null : true));
  expect(screen().split("Ctrl-C stops it")).toHaveLength(2);
});

it.runIf(hasTerminals)("Ctrl-C stops the team, and gives the terminal back", async () => {
  const { screen, press, ended } = openTerminal();
  await until("the start", () => (screen().includes("Ctrl-C stops it") ? true : null));

  press("\u0003");

  expect(await ended).toBe(0);
  expect(screen()).toContain("Stopped. Nothing was interrupted");
});
