import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, it, onTestFinished } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { type RunningProcess, root, startLonghaul, teamFile, temporaryFolder } from "./fixture/longhaul.ts";

const program = ["--conditions=longhaul-source", join(root, "src", "cli", "longhaul.ts")];
const waitMs = 30_000;

async function until(what: string, look: () => boolean): Promise<void> {
  for (const untilMs = systemClock.monotonicMs() + waitMs; !look(); await sleep(systemClock, 50)) {
    if (systemClock.monotonicMs() > untilMs) throw new Error(`${what}: not within ${waitMs} ms`);
  }
}

function newFolder() {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  const start = (environment: Readonly<Record<string, string>>): RunningProcess => {
    const team = startLonghaul(["start", teamFile, "--data", join(folder.path, "data"), "--port", "0", "--json", "--drain", "3s"], { program, environment });
    onTestFinished(async () => {
      team.child.kill("SIGKILL");
      await team.ended;
    });
    return team;
  };
  const workerPid = (): number => Number(/^\d+/.exec(readFileSync(`/proc/${team().child.pid}/task/${team().child.pid}/children`, "utf8"))?.[0]);
  let started: RunningProcess | null = null;
  const team = (): RunningProcess => {
    if (started === null) throw new Error("nothing was started");
    return started;
  };
  return {
    path: folder.path,
    workerPid,
    start: (environment: Readonly<Record<string, string>>) => {
      started = start(environment);
      return started;
    },
  };
}

/** A `systemd-notify` of our own on the path, which writes down what it is to send. */
function fakeNotify(folder: string): { readonly environment: Readonly<Record<string, string>>; readonly told: () => readonly string[] } {
  const bin = join(folder, "bin");
  const log = join(folder, "told.log");
  mkdirSync(bin);
  writeFileSync(join(bin, "systemd-notify"), `#!/bin/sh\n[ -e '${join(folder, "fails")}' ] && exit 1\nfor word in "$@"; do printf '%s\\n' "$word" >> '${log}'; done\n`);
  chmodSync(join(bin, "systemd-notify"), 0o755);
  return { environment: { PATH: `${bin}:${process.env["PATH"] ?? ""}`, NOTIFY_SOCKET: join(folder, "notify") }, told: () => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []) };
}

const count = (lines: readonly string[], line: string): number => lines.filter((each) => each === line).length;

it("tells systemd once that the team works, what became of its worker, and that it stops, each in its order", async () => {
  const { path, start, workerPid } = newFolder();
  const { environment, told } = fakeNotify(path);
  const team = start(environment);
  await until("READY=1", () => told().includes("READY=1"));
  // What the team wrote before is in the pipe, and read soon.
  await sleep(systemClock, 100);
  expect(team.lines.some((line) => line.includes('"event":"started"'))).toBe(true);
  await until("the rest of the message", () => told().includes("STATUS=Works."));
  expect(told()).toEqual(["STATUS=Starts.", "READY=1", "STATUS=Works."]);

  process.kill(workerPid(), "SIGKILL");
  await until("the status after the crash", () => told().includes("STATUS=Works. 1 crash lately."));
  team.child.kill("SIGTERM");
  expect(await team.ended).toBe(0);
  await until("STOPPING=1", () => told().includes("STATUS=Stops."));

  expect(told().slice(3)).toEqual(["STATUS=Starts again: the worker before was killed by SIGKILL. 1 crash lately.", "STATUS=Works. 1 crash lately.", "STOPPING=1", "EXTEND_TIMEOUT_USEC=13000000", "STATUS=Stops."]);
});

it("feeds systemd's watchdog at half its time while it is in control of its worker, and only the watchdog that is its own", async () => {
  const { path, start } = newFolder();
  const { environment, told } = fakeNotify(path);
  const team = start({ ...environment, WATCHDOG_USEC: "2000000" });
  await until("four signs of life", () => count(told(), "WATCHDOG=1") >= 4);
  const before = count(told(), "WATCHDOG=1");
  const sinceMs = systemClock.monotonicMs();
  await sleep(systemClock, 4_000);
  const signs = count(told(), "WATCHDOG=1") - before;
  // One a second, and those that were on their way.
  expect(signs).toBeLessThanOrEqual((systemClock.monotonicMs() - sinceMs) / 1_000 + 2);
  team.child.kill("SIGTERM");
  await team.ended;

  const other = newFolder();
  const notify = fakeNotify(other.path);
  other.start({ ...notify.environment, WATCHDOG_USEC: "2000000", WATCHDOG_PID: "1" });
  await until("READY=1", () => notify.told().includes("READY=1"));
  await sleep(systemClock, 2_500);
  expect(count(notify.told(), "WATCHDOG=1")).toBe(0);
});

it("goes on without systemd-notify, and says once what is missing", async () => {
  const { path, start } = newFolder();
  const team = start({ PATH: path, NOTIFY_SOCKET: join(path, "notify"), WATCHDOG_USEC: "1000000" });
  await team.line((line) => line.includes('"event":"started"'));
  await team.line((line) => line.includes("systemd-notify failed"));
  await sleep(systemClock, 2_000);

  expect(team.lines.filter((line) => line.includes("systemd-notify failed"))).toHaveLength(1);
  team.child.kill("SIGTERM");
  expect(await team.ended).toBe(0);
});

it("goes on where Node cannot even try to start systemd-notify", async () => {
  const { path, start } = newFolder();
  symlinkSync("systemd-notify", join(path, "systemd-notify"));
  const team = start({ PATH: path, NOTIFY_SOCKET: join(path, "notify"), WATCHDOG_USEC: "1000000" });
  await team.line((line) => line.includes('"event":"started"'));
  await team.line((line) => line.includes("systemd-notify failed"));
  await sleep(systemClock, 2_000);

  expect(team.lines.filter((line) => line.includes("systemd-notify failed (spawn ELOOP)"))).toHaveLength(1);
  team.child.kill("SIGTERM");
  expect(await team.ended).toBe(0);
});

it("tells with the next message what could not be told: without READY=1, systemd would end a team that works", async () => {
  const { path, start } = newFolder();
  const { environment, told } = fakeNotify(path);
  writeFileSync(join(path, "fails"), "");
  const team = start({ ...environment, WATCHDOG_USEC: "2000000" });
  await team.line((line) => line.includes('"event":"started"'));
  await sleep(systemClock, 3_000);
  expect(told()).toEqual([]);
  rmSync(join(path, "fails"));

  await until("a message", () => told().length >= 3);
  expect(told().slice(0, 3).toSorted()).toEqual(["READY=1", "STATUS=Works.", "WATCHDOG=1"]);
  await sleep(systemClock, 3_000);
  expect(told().slice(3).filter((word) => word !== "WATCHDOG=1")).toEqual([]);
});

const has = (command: string): boolean => spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;
const isReal = has("systemd-notify") && spawnSync("python3", ["-c", "import socket; socket.recv_fds"]).status === 0;
if (!isReal) console.warn("Not shown here: that the real systemd-notify reaches a real NOTIFY_SOCKET. It needs systemd-notify and python3 from 3.9 on.");

it.runIf(isReal)("reaches a real socket by the real systemd-notify; its worker does not know the socket", async () => {
  const { path, start, workerPid } = newFolder();
  const socket = join(path, "notify.sock");
  const listener = spawn("python3", [join(root, "test", "e2e", "fixture", "notify-socket.py"), socket], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void listener.kill("SIGKILL"));
  const arrived: string[] = [];
  createInterface({ input: listener.stdout }).on("line", (line) => void arrived.push(...line.split(" | ")));
  await until("the socket", () => arrived.includes("bound"));

  const team = start({ NOTIFY_SOCKET: socket, WATCHDOG_USEC: "2000000" });
  await until("READY=1", () => arrived.includes("READY=1") && arrived.includes("WATCHDOG=1"));
  expect(readFileSync(`/proc/${workerPid()}/environ`, "utf8")).not.toContain("NOTIFY_SOCKET");
  team.child.kill("SIGTERM");
  expect(await team.ended).toBe(0);
  await until("STOPPING=1", () => arrived.includes("STOPPING=1"));

  expect(arrived.indexOf("READY=1")).toBeLessThan(arrived.indexOf("STOPPING=1"));
  expect(arrived).toContain("STATUS=Works.");
});
