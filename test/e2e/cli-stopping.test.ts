import { cpSync, existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it, onTestFinished } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { longhaul, type RunningProcess, startLonghaul, startTeam, teamFile, temporaryFolder } from "./fixture/longhaul.ts";

const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;

function newFolder() {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  const start = async (...flags: readonly string[]): Promise<RunningProcess> => {
    const team = await startTeam(folder.path, "--port", "0", ...flags);
    onTestFinished(async () => {
      team.child.kill("SIGKILL");
      await team.ended;
    });
    return team;
  };
  const run = (...args: readonly string[]) => longhaul([...args, "--data", folder.path]);
  return { path: folder.path, start, run, task: async (...args: readonly string[]) => String(json((await run("task", ...args, "--json")).stdout)["taskId"]) };
}

it("drains at the first signal, says what resumes, and resumes it", async () => {
  const { start, task, run, path } = newFolder();
  const first = await start("--drain", "100ms");
  const taskId = await task("stuck");
  await first.line((line) => line.includes(taskId) && line.includes('"running"'));

  first.child.kill("SIGTERM");

  expect(await first.ended).toBe(0);
  expect(json(first.lines.findLast((line) => line.includes('"event":"stopped"')) ?? "{}")).toEqual({ event: "stopped", interrupted: 1 });
  expect([existsSync(join(path, "endpoint.json")), existsSync(join(path, "control.sock"))]).toEqual([false, false]);
  expect(await run("health")).toMatchObject({ exitCode: 1, stdout: expect.stringContaining("does not run: it was stopped") as string });

  const second = await start();
  await second.line((line) => line.includes(taskId) && line.includes('"running"'));
});

it("takes signals that follow at once for the same one, as npm passes them on", async () => {
  const { start } = newFolder();
  const team = await start();

  for (let count = 0; count < 3; count++) team.child.kill("SIGINT");

  expect(await team.ended).toBe(0);
});

it("stops when the shell of npm that started it is gone, instead of staying behind unseen", async () => {
  const { path } = newFolder();
  const team = startLonghaul(["start", teamFile, "--data", path, "--json", "--port", "0"], { asNpmScript: true });
  await team.line((line) => line.includes('"event":"started"'));

  team.child.kill("SIGKILL");
  await team.ended;

  expect(json(team.stdoutLines.at(-1) ?? "{}")).toEqual({ event: "stopped", interrupted: 0 });
});

it("ends at once at the second signal", async () => {
  const { start, task } = newFolder();
  const team = await start("--drain", "60s");
  const taskId = await task("stuck");
  await team.line((line) => line.includes(taskId) && line.includes('"running"'));

  team.child.kill("SIGINT");
  await team.line((line) => line.includes('"event":"draining"'));
  // Sooner, it would be the same Ctrl-C, passed on by npm.
  await sleep(systemClock, 500);
  team.child.kill("SIGINT");

  expect(await team.ended).toBe(130);
});

it("works on a team that does not run, from many processes at once", async () => {
  const { start, run, path } = newFolder();
  const first = await start();
  first.child.kill("SIGTERM");
  await first.ended;

  const given = await Promise.all(Array.from({ length: 5 }, () => run("task", "echo", '{"text":"later"}', "--key", "k-1", "--json")));
  const taskIds = new Set(given.map(({ stdout, stderr }) => String(json(stdout || stderr)["taskId"])));
  const [taskId = ""] = taskIds;
  expect(taskIds.size).toBe(1);
  expect(await run("task", "echo", '{"text":"x"}', "--wait")).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("--wait would never end") as string });
  expect(await run("cancel", taskId)).toMatchObject({ exitCode: 0 });
  expect(await run("restart", taskId)).toMatchObject({ exitCode: 0, stdout: `${taskId} is queued again for echo. The team does not run: it begins when it starts.\n` });
  expect(existsSync(join(path, "control.sock"))).toBe(false);

  const second = await start();
  await second.line((line) => line.includes(taskId) && line.includes("done(unverified)"));
});

it("stops with 1 and says so when its data directory is deleted or replaced", async () => {
  const { start, path } = newFolder();
  const team = await start();
  renameSync(path, `${path}-before`);
  onTestFinished(() => rmSync(`${path}-before`, { recursive: true }));
  cpSync(`${path}-before`, path, { recursive: true });

  expect(await team.ended).toBe(1);
  expect(json(team.stdoutLines.at(-1) ?? "{}")).toEqual({ event: "stopped", reason: "fenced" });
});

it("stops with 1 and says so when another process takes the data directory over", async () => {
  const { start, path } = newFolder();
  const team = await start();
  const database = new DatabaseSync(join(path, "longhaul.db"), { timeout: 5_000 });
  database.exec("UPDATE lh_owner SET epoch = epoch + 1");
  database.close();

  expect(await team.ended).toBe(1);
  expect(json(team.stdoutLines.at(-1) ?? "{}")).toEqual({ event: "stopped", reason: "fenced" });
});

it("asks for a decision on a call that a crash interrupted, and obeys it", async () => {
  const { start, task, run, path } = newFolder();
  const marker = join(path, "marker");
  const first = await start();
  const taskId = await task("mailer", JSON.stringify({ marker }));
  expect(await first.ended).not.toBe(0);

  const second = await start();
  await second.line((line) => line.includes(taskId) && line.includes("waiting(unknown-effect)"));
  const listed = await run("approve");
  const [, runId = ""] = /approve (r_\w+) --retry/.exec(listed.stdout) ?? [];
  expect(listed.stdout).toContain("mailer called send");
  expect(listed.stdout).toContain('{"to":"ann@example.com"}');
  expect(await run("approve", runId)).toMatchObject({ exitCode: 2 });
  expect((await run("show", taskId)).stdout).toMatch(/waits +unknown-effect: It is not known whether this call happened/);

  expect(await run("approve", runId, "--happened", '"sent by hand"')).toMatchObject({ exitCode: 0, stdout: `The call of ${runId} counts as done.\n` });
  await second.line((line) => line.includes(taskId) && line.includes("sent by hand") && line.includes("done("));
  expect(await run("approve")).toMatchObject({ stdout: "Nothing waits for a decision.\n" });
});
