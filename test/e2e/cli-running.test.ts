import { afterAll, beforeAll, expect, it } from "vitest";
import { longhaul, type RunningProcess, startLonghaul, startTeam, teamFile, temporaryFolder } from "./fixture/longhaul.ts";

const folder = temporaryFolder();
const at = ["--data", folder.path];
let team: RunningProcess;

beforeAll(async () => {
  team = await startTeam(folder.path, "--port", "0");
});
afterAll(async () => {
  team.child.kill("SIGKILL");
  await team.ended;
  folder.remove();
});

const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;

it("gives a task over the socket, waits for it and prints its output", async () => {
  const people = await longhaul(["task", "echo", '{"text":"hello"}', "--wait", ...at]);
  const program = await longhaul(["task", "echo", "-", "--wait", "--json", ...at], { input: '{"text":"from stdin"}' });

  expect(people).toMatchObject({ exitCode: 0, stdout: '{\n  "text": "hello",\n  "length": 5\n}\n' });
  expect(json(program.stdout)).toMatchObject({ agent: "echo", status: "done", output: { text: "from stdin", length: 10 } });
});

it("starts a task once, however often it is given with one key", async () => {
  const given = await Promise.all(Array.from({ length: 8 }, () => longhaul(["task", "echo", '{"text":"once"}', "--key", "k-1", "--json", ...at])));
  const answers = given.map(({ stdout }) => json(stdout));

  expect(new Set(answers.map(({ taskId }) => taskId)).size).toBe(1);
  expect(answers.filter(({ created }) => created === true)).toHaveLength(1);
});

it("ends with 1 when the task dies, and says where to look", async () => {
  const { exitCode, stderr } = await longhaul(["task", "failing", "--wait", ...at]);

  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/is dead \(failed\): the disk is on fire\n {2}Next: longhaul --data \S+ show t_/);
});

it("shows agents, tasks, runs and steps while the team runs", async () => {
  const { taskId } = json((await longhaul(["task", "patient", "--json", ...at])).stdout);
  await team.line((line) => line.includes(String(taskId)) && line.includes("waiting(signal)"));
  const [ps, waiting, runs] = await Promise.all([longhaul(["ps", ...at]), longhaul(["ps", "--agent", "patient", "--json", ...at]), longhaul(["runs", "--agent", "echo", "--json", ...at])]);

  expect(ps.stdout).toMatch(/^cli-fixture runs \(pid \d+\)\.\n\nagent /);
  expect(json(waiting.stdout)).not.toHaveProperty("workers");
  expect(ps.stdout).toMatch(new RegExp(`${String(taskId)} +patient +waiting\\(signal\\)`));
  expect(json(waiting.stdout)).toMatchObject({ isRunning: true, agents: [{ name: "patient", waiting: 1 }], tasks: [{ id: taskId, waitingReason: "signal" }] });
  const [run = "{}"] = runs.stdout.split("\n");
  expect(json(run)).toMatchObject({ agent: "echo", result: "done(unverified)", steps: 1 });

  const shown = await longhaul(["show", String(json(run)["taskId"]), ...at]);
  expect(shown.stdout).toMatch(/ +1 {2}code {2}measure +\d+ ms/);
  const step = await longhaul(["show", String(json(run)["runId"]), "--step", "1", "--json", ...at]);
  expect(json(step.stdout)).toMatchObject({ agent: "echo", step: 1, kind: "code", name: "measure", outcome: { ok: true } });

  const canceled = await longhaul(["cancel", String(taskId), "--reason", "not needed", ...at]);
  const again = await longhaul(["cancel", String(taskId), ...at]);
  expect([canceled.exitCode, again.exitCode]).toEqual([0, 1]);
  expect((await longhaul(["show", String(taskId), ...at])).stdout).toMatch(/canceled[\s\S]*reason +not needed/);
});

it("answers questions about records by filters", async () => {
  const filter = ["--agent", "failing", "--type", "task", "--result", "dead(failed)"];
  const [found, count, none, usage] = await Promise.all([
    longhaul(["logs", ...filter, "--json", ...at]),
    longhaul(["logs", ...filter, "--count", ...at]),
    longhaul(["logs", "--type", "tool_call", "--min-duration", "5s", "--since", "1h", ...at]),
    longhaul(["logs", "--usage", "--since", "24h", ...at]),
  ]);

  const records = found.stdout.trim().split("\n").map(json);
  expect(records.every((record) => record["agent_id"] === "failing" && record["reason"] === "the disk is on fire")).toBe(true);
  expect(count.stdout).toBe(`${records.length}\n`);
  expect(none).toMatchObject({ exitCode: 0, stdout: `No record matches. Without filters: longhaul ${at.join(" ")} logs\n` });
  expect(usage).toMatchObject({ exitCode: 0, stdout: "No agent called a model or a tool in this time.\n" });
});

it("follows records as they are written", async () => {
  const follower = startLonghaul(["logs", "--follow", "--agent", "echo", "--limit", "1", "--json", ...at]);
  await follower.line(() => true);
  await longhaul(["task", "echo", '{"text":"followed"}', ...at]);

  const line = await follower.line((candidate) => candidate.includes('"done(unverified)"') && candidate.includes("followed"));
  expect(json(line)).toMatchObject({ event_type: "task", agent_id: "echo" });
  follower.child.kill();
  await follower.ended;
});

it("judges health and reads with SQL", async () => {
  const [health, sql, refused] = await Promise.all([longhaul(["health", "--json", ...at]), longhaul(["sql", "SELECT 1 AS one, 'two' AS two", ...at]), longhaul(["sql", "DELETE FROM lh_task", ...at])]);

  expect(json(health.stdout)).toMatchObject({ isRunning: true, agents: expect.arrayContaining([expect.objectContaining({ agent: "echo", bad: false })]) as unknown });
  expect(sql.stdout).toBe("one  two\n  1  two\n");
  expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("STORE_QUERY") as string });
});

it("refuses a second team on the same data, and a port that is taken", async () => {
  const second = await longhaul(["start", teamFile, "--plain", ...at]);
  const { url } = json(team.lines.find((line) => line.includes('"event":"started"')) ?? "{}");
  const other = temporaryFolder();
  const taken = await longhaul(["start", teamFile, "--data", other.path, "--port", new URL(String(url)).port]);
  other.remove();

  expect(second).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("ENGINE_OWNED") as string });
  expect(taken).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("EADDRINUSE") as string });
});

it("keeps standard output to JSON lines, whatever the team's own code prints", () => {
  expect(team.lines.filter((line) => line.startsWith("echo says")).length).toBeGreaterThan(0);
  expect(team.stdoutLines.map(json).every((line) => "event_type" in line || "event" in line)).toBe(true);
});
