import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { longhaul, type RunningProcess, startTeam, temporaryFolder } from "./fixture/longhaul.ts";

const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;

function newFolder() {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  const start = async (): Promise<RunningProcess> => {
    const team = await startTeam(folder.path, "--port", "0");
    onTestFinished(async () => {
      team.child.kill("SIGKILL");
      await team.ended;
    });
    return team;
  };
  const run = (...args: readonly string[]) => longhaul([...args, "--data", folder.path]);
  const kill = async (team: RunningProcess): Promise<void> => {
    team.child.kill("SIGKILL");
    await team.ended;
  };
  const file = join(folder.path, "payments");
  const submit = async (...amounts: readonly number[]): Promise<string> => String(json((await run("task", "payer", JSON.stringify({ file, amounts }), "--json")).stdout)["taskId"]);
  return { path: folder.path, start, run, kill, submit, payments: () => (existsSync(file) ? readFileSync(file, "utf8") : "") };
}

it("asks a person before a call, through kill -9 and while nobody runs, and obeys the answer once", async () => {
  const { path, start, run, kill, submit, payments } = newFolder();
  const first = await start();
  const taskId = await submit(500);
  await first.line((line) => line.includes(taskId) && line.includes("waiting(human)"));
  await kill(first);

  const listed = await run("approve");
  const [, runId = ""] = /approve (r_\w+) --allow --call call-1/.exec(listed.stdout) ?? [];
  expect(listed.stdout).toContain("payer wants to call pay since ");
  expect(listed.stdout).toContain('arguments: {"amount":500}');
  expect(listed.stdout).toMatch(/, until 20\d\d-/);
  expect(json((await run("approve", "--json")).stdout)).toMatchObject({ runId, taskId, agent: "payer", kind: "permission", call: "call-1", tool: "pay", arguments: { amount: 500 } });

  const second = await start();
  expect((await run("ps")).stdout).toMatch(/waiting\(human\).*pay waits to be allowed: longhaul --data \S+ approve/);
  expect((await run("show", taskId)).stdout).toMatch(/waits +human: pay waits for a person to allow this call, until/);
  expect((await run("health")).stdout).toMatch(/payer: pay waits to be allowed, for .*: longhaul --data \S+ approve/);
  expect(await run("approve", runId)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("--allow or --deny") as string });
  expect(await run("approve", runId, "--allow", "--deny")).toMatchObject({ exitCode: 2 });
  expect(await run("approve", taskId, "--allow")).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(`${taskId} is a task, and an answer is given to its run. Type: longhaul --data ${path} approve ${runId} --allow.`) as string });
  expect(await run("approve", runId, "--retry")).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("--allow or --deny") as string });
  await kill(second);
  expect(payments()).toBe("");

  expect(await run("approve", runId, "--allow", "--by", "ada")).toMatchObject({ exitCode: 0, stdout: `The call of ${runId} is made. The team does not run: the run goes on when it starts.\n` });
  expect(await run("approve", runId, "--deny", "no")).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("answered before: allow, by ada over cli") as string });
  expect(await run("approve")).toMatchObject({ stdout: "Nothing waits for a decision.\n" });

  const third = await start();
  await third.line((line) => line.includes(taskId) && line.includes("done("));
  expect(payments()).toBe("500\n");
  expect((await run("logs", "--type", "approval", "--json")).stdout.split("\n").filter((line) => line !== "").map((line) => json(line)["result"])).toEqual(["asked", "allowed"]);
});

it("shows the beginning of long arguments, says that it is one, and all of them as JSON", async () => {
  const { start, run } = newFolder();
  const team = await start();
  const { taskId } = json((await run("task", "payer", JSON.stringify({ file: "unused", amounts: ["9".repeat(20_000)] }), "--json")).stdout);
  await team.line((line) => line.includes(String(taskId)) && line.includes("waiting(human)"));
  const listed = (await run("approve")).stdout;

  expect(listed).toMatch(/\n {2}arguments: \{"amount":"9{1900,2000}… \(cut: 20013 characters\)\n {2}These are not all of the arguments\. See all before you decide: longhaul --data \S+ approve --json\n/);
  expect(json((await run("approve", "--json")).stdout)).toMatchObject({ arguments: { amount: "9".repeat(20_000) } });
});

it("decides each of several calls by its name, over the socket of a team that runs", async () => {
  const { start, run, submit, payments } = newFolder();
  const team = await start();
  const taskId = await submit(1, 2, 3);
  await team.line((line) => line.includes(taskId) && line.includes("waiting(human)"));
  const [, runId = ""] = /approve (r_\w+) --allow/.exec((await run("approve")).stdout) ?? [];

  expect(await run("approve", runId, "--allow")).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("call-1, call-2, call-3") as string });
  expect(await run("approve", runId, "--allow", "--call", "call-2")).toMatchObject({ exitCode: 0, stdout: `The call call-2 of ${runId} is made.\n` });
  expect(await run("approve", runId, "--deny", "too much", "--call", "call-3")).toMatchObject({ exitCode: 0 });
  expect(await run("approve", runId, "--allow", "--call", "call-2")).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("answered before") as string });
  expect(await run("approve", runId, "--deny")).toMatchObject({ exitCode: 0, stdout: `The call of ${runId} is not made, and the model is told so.\n` });

  const done = await team.line((line) => line.includes(taskId) && line.includes("done("));
  expect(done).toContain("A person did not allow this call of pay: too much");
  expect(payments()).toBe("2\n");
});

it("tells of a call that may have happened when it was made, not when the question came up", async () => {
  const { path, start, run } = newFolder();
  const team = await start();
  const marker = join(path, "marker");
  const givenAtMs = systemClock.now();
  await run("task", "mailer", JSON.stringify({ marker }), "--json");
  await team.ended;
  const endedAtMs = systemClock.now();

  const second = await start();
  await second.line((line) => line.includes("waiting(unknown-effect)"));

  const listed = await run("approve");
  const [, told = ""] = /mailer called send at (\S+), and it is not known whether it happened\. Asked at (\S+)\./.exec(listed.stdout) ?? [];
  expect(Date.parse(told), `${told} in ${listed.stdout}`).toBeGreaterThanOrEqual(givenAtMs);
  expect(Date.parse(told), `${told} in ${listed.stdout}`).toBeLessThanOrEqual(endedAtMs);
  const question = json((await run("approve", "--json")).stdout);
  expect(question["calledAt"]).toBe(told);
  expect(Date.parse(String(question["askedAt"]))).toBeGreaterThanOrEqual(endedAtMs);
});
