import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { longhaul, type RunningProcess, startLonghaul, startTeam, temporaryFolder } from "./fixture/longhaul.ts";

const smallerTeam = join(import.meta.dirname, "fixture", "smaller-team.ts");

function newFolder(): string {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  return folder.path;
}

async function end(team: RunningProcess): Promise<void> {
  team.child.kill("SIGKILL");
  await team.ended;
}

it("names work that nobody is there for: the agent was removed while a task of it was open", async () => {
  const at = ["--data", newFolder()];
  const before = await startTeam(at[1] ?? "", "--port", "0");
  await longhaul(["task", "patient", ...at]);
  await end(before);
  const team = startLonghaul(["start", smallerTeam, "--plain", "--port", "0", ...at]);
  onTestFinished(() => end(team));

  await team.line((line) => line.includes("1 open task waits for patient, which cli-fixture does not have"));
  const [health, asJson, ps] = await Promise.all([longhaul(["health", ...at]), longhaul(["health", "--json", ...at]), longhaul(["ps", ...at])]);

  const told = `1 open task is for patient, which the team does not have: nobody works on it. Add it again, or look at it with: longhaul ${at.join(" ")} ps --agent patient`;
  expect(health).toMatchObject({ exitCode: 1, stdout: expect.stringContaining(told) as string });
  expect(JSON.parse(asJson.stdout)).toMatchObject({ isBad: true, orphans: [{ agent: "patient", openTasks: 1 }] });
  expect(ps.stdout).toContain(told);
});

it("shows a step's name without what would rewrite the terminal", async () => {
  const at = ["--data", newFolder()];
  const team = startLonghaul(["start", smallerTeam, "--plain", "--port", "0", ...at]);
  onTestFinished(() => end(team));
  await team.line((line) => line.includes("Ctrl-C stops it"));
  const { id } = JSON.parse((await longhaul(["task", "odd", "--wait", "--json", ...at])).stdout) as { readonly id: string };

  const shown = await Promise.all([longhaul(["show", id, ...at]), longhaul(["show", id, "--step", "1", ...at]), longhaul(["sql", 'SELECT 1 AS "\u001B[2J"', ...at])]);

  for (const { exitCode, stdout } of shown) expect([exitCode, stdout.includes("\u001B"), stdout.includes("\uFFFD[2J")]).toEqual([0, false, true]);
});

it("says while it waits what a task waits for", async () => {
  const folder = newFolder();
  const team = await startTeam(folder, "--port", "0");
  onTestFinished(() => end(team));
  const waiting = startLonghaul(["task", "patient", "--wait", "--data", folder]);
  onTestFinished(() => end(waiting));

  expect(await waiting.line((line) => line.includes("waiting"))).toMatch(/^t_\w+ is waiting\(signal\)\. Ctrl-C ends this wait, not the task\. See it with: longhaul --data \S+ show t_\w+$/);
});
