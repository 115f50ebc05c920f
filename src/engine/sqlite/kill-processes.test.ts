import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sleep, systemClock } from "../../base/clock.ts";
import { stopBetweenCommits } from "../../db/fixture/stop-between-commits.ts";
import { integerBetween, seededRandom } from "../../base/random.ts";

interface Team {
  readonly process: ChildProcess;
  readonly lines: readonly string[];
  /** Resolves when the process has said this, or has ended. */
  said(line: RegExp): Promise<string | undefined>;
  readonly ended: Promise<string>;
}

const script = fileURLToPath(new URL("team-process.testsuite.ts", import.meta.url));
let folder: string;
let teams: Team[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "longhaul-kill-"));
  teams = [];
});
afterEach(async () => {
  for (const team of teams) {
    team.process.kill("SIGKILL");
    await team.ended;
  }
  rmSync(folder, { recursive: true, force: true });
});

function startTeam(...options: readonly string[]): Team {
  const child = spawn(process.execPath, [script, "--data", join(folder, "team.db"), "--log", join(folder, "world.log"), ...options], { stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  const wake: (() => void)[] = [];
  let isOver = false;
  const notify = (): void => {
    for (const go of wake.splice(0)) go();
  };
  createInterface({ input: child.stdout })
    .on("line", (line) => {
      lines.push(line);
      notify();
    })
    .on("close", () => {
      isOver = true;
      notify();
    });
  // What it said has come by then.
  const ended = once(child, "close").then(([code, signal]) => String(signal ?? code));
  const said = async (pattern: RegExp): Promise<string | undefined> => {
    for (;;) {
      const found = lines.find((line) => pattern.test(line));
      if (found !== undefined || isOver) return found;
      await new Promise<void>((resolve) => wake.push(resolve));
    }
  };
  const team = { process: child, lines, said, ended };
  teams.push(team);
  return team;
}

async function kill(team: Team): Promise<void> {
  team.process.kill("SIGKILL");
  expect(await team.ended).toBe("SIGKILL");
}

function world(): readonly string[] {
  return readFileSync(join(folder, "world.log"), "utf8").trim().split("\n");
}

describe("processes that are killed", { timeout: 60_000 }, () => {
  it("E2 E3 E5 E6 goes on after kill -9 in a step and in a wait; no completed step executes again", async () => {
    const options = ["--wait-ms", "1500", "--steps", "4"];
    const first = startTeam(...options, "--hang-in", "2");
    await first.said(/^begin 2$/);
    await kill(first);
    const second = startTeam(...options);
    await second.said(/^waiting$/);
    await kill(second);
    const third = startTeam(...options);

    expect(await third.said(/^ended/)).toContain('"status":"done"');

    expect(await third.ended).toBe("0");
    expect(world()).toEqual(["begin 1", "end 1", "begin 2", "begin 2", "end 2", "begin 3", "end 3", "begin 4", "end 4"]);
    expect(third.lines[0]).toBe("owner 3");
  });

  it("E2 E6 goes on from any instant: a step that another one followed never executes again", async () => {
    const seed = 20_260_101;
    const random = seededRandom(seed);
    let team = startTeam("--steps", "12", "--step-ms", "15");
    for (let kills = 0; kills < 8; kills++) {
      await team.said(/^owner/);
      await sleep(systemClock, integerBetween(random, 0, 90));
      team.process.kill("SIGKILL");
      await team.ended;
      team = startTeam("--steps", "12", "--step-ms", "15");
    }

    expect(await team.said(/^ended/), `SEED=${seed}`).toContain('"status":"done"');

    const begun = world().filter((line) => line.startsWith("begin")).map((line) => Number(line.slice(6)));
    expect(begun, `SEED=${seed}`).toEqual(begun.toSorted((a, b) => a - b));
    expect(new Set(begun).size).toBe(12);
  });

  it("E12 lets a task go on that kills its process in each of twelve steps: a completed step begins the count of crashes anew", async () => {
    const options = ["--steps", "12", "--step-ms", "1", "--die-once-in-each"];
    let lives = 1;
    let team = startTeam(...options);
    while ((await team.ended) === "SIGKILL" && lives < 20) {
      lives++;
      team = startTeam(...options);
    }

    expect(await team.said(/^ended/)).toContain('"status":"done"');

    expect(lives).toBe(13);
    expect(world().filter((line) => line.startsWith("end"))).toEqual(Array.from({ length: 12 }, (_, index) => `end ${index + 1}`));
  });

  it("O3 O4 E4 a process that was stopped for longer than its lease is taken over, and cannot commit when it wakes", async () => {
    const options = ["--steps", "1", "--lease-ms", "600", "--never-kill"];
    const mayEnd = join(folder, "may-end");
    const stopped = startTeam(...options, "--hold-until", mayEnd);
    await stopped.said(/^begin 1$/);
    await stopped.said(/^asked/);
    await stopBetweenCommits(stopped.process.pid ?? 0, join(folder, "team.db"));
    const heir = startTeam(...options);
    const end = await heir.said(/^ended/);
    expect(end).toContain(`"output":"${heir.process.pid}"`);

    writeFileSync(mayEnd, "");
    stopped.process.kill("SIGCONT");

    expect(await stopped.ended).toBe("3");
    expect(stopped.lines).toEqual(expect.arrayContaining(["fenced", "refused"]));
    expect(stopped.lines.some((line) => line.startsWith("ended"))).toBe(false);
  });

  it("O3 kills a process that hangs before it goes on with its work", async () => {
    const options = ["--steps", "1", "--lease-ms", "600"];
    const stopped = startTeam(...options, "--hang-in", "1");
    await stopped.said(/^begin 1$/);
    stopped.process.kill("SIGSTOP");

    const heir = startTeam(...options);

    expect(await heir.said(/^ended/)).toContain('"status":"done"');
    expect(await stopped.ended).toBe("SIGKILL");
  });

  it("O2 refuses a second process while the first one works", async () => {
    const mayEnd = join(folder, "may-end");
    const first = startTeam("--steps", "1", "--hold-until", mayEnd, "--lease-ms", "6000");
    await first.said(/^begin 1$/);
    const second = startTeam("--steps", "1", "--lease-ms", "6000");

    expect(await second.said(/^owned by another$/)).toBe("owned by another");
    writeFileSync(mayEnd, "");
    expect(await first.said(/^ended/)).toContain('"status":"done"');
    expect(await second.said(/^ended/)).toContain(`"output":"${first.process.pid}"`);
    expect(world()).toEqual(["begin 1", "end 1"]);
  });
});
