import { execFileSync, spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "longhaul/client";
import { expect, it, vi } from "vitest";
import { longhaul, startLonghaul, teamFile, temporaryFolder } from "./fixture/longhaul.ts";

const sizeBytes = 16 * 1_048_576;

/** A file system of 16 MB; null where this user may not mount one. */
function mountSmall(path: string): { readonly unmount: () => void } | null {
  mkdirSync(path);
  const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${sizeBytes}`, "tmpfs", path]);
  return status === 0 ? { unmount: () => execFileSync("umount", ["-l", path]) } : null;
}

/** Fills a file system to so many percent. */
function fill(path: string, ratio: number): void {
  const { blocks, bfree, bsize } = statfsSync(path);
  writeFileSync(join(path, "ballast"), Buffer.alloc(Math.max(0, Math.ceil(blocks * ratio) - (blocks - bfree)) * bsize));
}

/** To the last block, as what fills a disk in a moment does. */
function fillUp(path: string): void {
  fill(path, 0.99);
  for (;;) {
    try {
      appendFileSync(join(path, "crumbs"), Buffer.alloc(4_096));
    } catch {
      // Nothing fits any more.
      return;
    }
  }
}

interface SmallDisk {
  readonly path: string;
  readonly data: string;
  readonly team: ReturnType<typeof startLonghaul>;
}

/** A team that works, with its data on a small disk. Where nobody may mount one, nothing is tested: test/runtime/disk-watch.test.ts says the same of a disk that is told of. */
async function withTeam(test: (place: SmallDisk) => Promise<void>): Promise<void> {
  const folder = temporaryFolder();
  const path = join(folder.path, "disk");
  const disk = mountSmall(path);
  if (disk === null) {
    console.warn("Not tested: this user may mount no file system.");
    return;
  }
  const data = join(path, "data");
  const team = startLonghaul(["start", teamFile, "--data", data, "--port", "0", "--plain"]);
  try {
    await team.line((line) => line.includes("Ctrl-C stops it"));
    await test({ path, data, team });
  } finally {
    team.child.kill("SIGKILL");
    await team.ended;
    disk.unmount();
    folder.remove();
  }
}

it("begins no task while its disk is 90 % full, says so, and goes on by itself when there is room", async () => {
  await withTeam(async ({ path, data, team }) => {
    const client = createClient({ dataDirectory: data });
    fill(path, 0.93);
    // A commit makes the team look.
    await client.submit("patient", null);
    await team.line((line) => line.includes("begins no task: its disk is nearly full"));
    const { taskId } = await client.submit("patient", null);
    const health = await longhaul(["health", "--data", data, "--json"]);
    expect(health.exitCode).toBe(1);
    expect(JSON.parse(health.stdout)).toMatchObject({ isBad: true, diskStop: { usedRatio: expect.closeTo(0.93, 1) } });
    expect(await client.task(taskId)).toMatchObject({ status: "queued" });
    expect(await longhaul(["doctor", "--data", data])).toMatchObject({ exitCode: 1, stdout: expect.stringMatching(/^FAIL {2}disk +.* it is 9\d % full, and no task begins from 90 % on until it is at 88 %$/m) as string });

    rmSync(join(path, "ballast"));
    await team.line((line) => line.includes("begins tasks again"));
    await vi.waitFor(async () => expect(await client.task(taskId)).toMatchObject({ status: "waiting" }), { timeout: 10_000 });
    team.child.kill("SIGINT");
    expect(await team.ended).toBe(0);
  });
});

it("says of a disk that is full at once that it is full, and tells nobody to start another team, while nothing can be written", async () => {
  await withTeam(async ({ path, data }) => {
    const run = (...args: readonly string[]) => longhaul([...args, "--data", data]);
    fillUp(path);
    const tasks = await Promise.all(Array.from({ length: 4 }, () => run("task", "echo", JSON.stringify({ text: "x".repeat(100_000) }))));

    // The first of them may still have found room.
    const refused = tasks.filter(({ exitCode }) => exitCode !== 0);
    expect(refused).not.toEqual([]);
    for (const each of refused) expect(each).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/data file takes no writes: .*full.* Nothing was taken\. Make room on its disk.*\[SYSTEM_REFUSED\]/) as string });
    const health = await run("health");
    expect(health).toMatchObject({ exitCode: 1, stdout: expect.stringMatching(/No task begins: the disk of the data directory is (?:9\d|100) % full\. Next: make room on it\./) as string });

    await vi.waitFor(async () => expect((await run("ps")).stdout).toContain("It has written nothing for"), { timeout: 30_000, interval: 1_000 });
    const [silent, ps, doctor] = await Promise.all([run("health"), run("ps"), run("doctor")]);
    for (const { stdout } of [silent, ps, doctor]) expect(stdout).toMatch(/It has written nothing for .*: its disk is (?:9\d|100) % full\. Make room on it: it goes on by itself\./);
    expect(`${silent.stdout}${ps.stdout}${doctor.stdout}`).not.toMatch(/takes over from one that hangs|longhaul (?:--data \S+ )?start/);

    rmSync(join(path, "ballast"));
    rmSync(join(path, "crumbs"));
    await vi.waitFor(async () => expect(await run("ps")).toMatchObject({ stdout: expect.not.stringContaining("has written nothing") as string }), { timeout: 30_000, interval: 1_000 });
  });
});
