import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { longhaul, teamFile, temporaryFolder } from "./fixture/longhaul.ts";

it("prints help fast: nothing heavy is loaded for it", async () => {
  const { exitCode, stdout, stderr } = await longhaul(["--help"], { node: ["--import", join(import.meta.dirname, "fixture", "report-modules.ts")] });

  expect(exitCode).toBe(0);
  for (const command of ["init", "dev", "start", "ps", "logs", "runs", "show", "task", "cancel", "restart", "health", "approve", "sql", "fake-provider"]) expect(stdout).toContain(`  ${command} `);
  const modules = stderr.split("\n");
  expect(modules.some((url) => url.includes("/commander/"))).toBe(true);
  expect(modules.filter((url) => /\/(@ai-sdk|ai|@modelcontextprotocol|hono|@hono|zod|@clack)\/|\/src\/(runtime|http|lab|engine)\//.test(url))).toEqual([]);
});

it("ends with 2 and a suggestion when the command line is wrong", async () => {
  const [command, option, value, number, conflict] = await Promise.all([longhaul(["shwo"]), longhaul(["ps", "--al"]), longhaul(["task", "echo", "{text:"]), longhaul(["ps", "--limit", "0"]), longhaul(["approve", "r_1", "--retry", "--fail"])]);

  expect(command).toMatchObject({ exitCode: 2, stdout: "", stderr: "error: unknown command 'shwo'\n(Did you mean show?)\nSee: longhaul --help\n" });
  expect(option).toMatchObject({ exitCode: 2, stderr: "error: unknown option '--al'\n(Did you mean --all?)\nSee: longhaul ps --help\n" });
  expect(value.exitCode).toBe(2);
  expect(value.stderr).toMatch(/^error: The input is not JSON: \{text: \[CLI_USAGE\]\n[\s\S]*Quote it/);
  expect(number.stderr).toContain("whole number from 1 to");
  expect(conflict).toMatchObject({ exitCode: 2 });
});

it("tells errors as JSON under --json, on standard error", async () => {
  const folder = temporaryFolder();
  const [usage, refused] = await Promise.all([longhaul(["shwo", "--json"]), longhaul(["ps", "--json", "--data", folder.path])]);
  folder.remove();

  expect(usage).toMatchObject({ exitCode: 2, stdout: "" });
  expect(JSON.parse(usage.stderr)).toMatchObject({ error: { code: "CLI_USAGE", message: expect.stringContaining("Did you mean show?") as string } });
  expect(refused).toMatchObject({ exitCode: 1, stdout: "" });
  expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code: "STORE_NOT_FOUND" } });
});

it("says what to type where no team ever ran, whatever is asked", async () => {
  const folder = temporaryFolder();
  const commands = [["ps"], ["runs"], ["logs"], ["health"], ["show", "t_1"], ["sql", "SELECT 1"], ["approve"], ["task", "echo"], ["cancel", "t_1"], ["restart", "t_1"]];
  const ended = await Promise.all(commands.map((command) => longhaul([...command, "--data", folder.path])));
  folder.remove();

  for (const { exitCode, stdout, stderr } of ended) {
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(/^error: No team has run .*Type: longhaul --data \S+ start team\.ts/);
  }
});

it("names what is wrong with a team's file, and where", async () => {
  const missing = await longhaul(["start", "no-team.ts"]);
  const noTeam = await longhaul(["start", join(import.meta.dirname, "fixture", "longhaul.ts")]);
  const taken = await longhaul(["start", teamFile, "--port", "99999"]);

  expect(missing).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/^error: There is no file .*no-team\.ts.*\[TEAM_NOT_LOADED\]/) as string });
  expect(noTeam.stderr).toMatch(/exports .*startTeam.*but no team.*export default defineTeam/);
  expect(taken).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("from 0 to 65535") as string });
});

it.each([
  ["awaits what never comes", "await new Promise(() => {});", /^error: .*stuck\.mjs never finishes loading: .* \[TEAM_NOT_LOADED\]\n$/],
  ["ends the process", "process.exit(0);", /^error: .*stuck\.mjs ended the process with 0 .* \[TEAM_NOT_LOADED\]\n$/],
  ["ends the process later", "setTimeout(() => process.exit(0), 10); await new Promise(() => {});", /^error: .*stuck\.mjs ended the process with 0 .* \[TEAM_NOT_LOADED\]\n$/],
])("ends with 1 and says so when a team's file %s while it is loaded", async (_, code, told) => {
  const folder = temporaryFolder();
  const path = join(folder.path, "stuck.mjs");
  writeFileSync(path, `${code} export default null;`);
  const [plain, json] = await Promise.all([longhaul(["start", path, "--data", folder.path]), longhaul(["start", path, "--data", folder.path, "--json"])]);
  folder.remove();

  expect(plain).toMatchObject({ exitCode: 1, stdout: "", stderr: expect.stringMatching(told) as string });
  expect(json).toMatchObject({ exitCode: 1, stdout: "" });
  expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: "TEAM_NOT_LOADED" } });
});

it("shows a wrong argument without what would steer the terminal", async () => {
  const { exitCode, stderr } = await longhaul(["logs", "--since", "\u001B[2J1h\u009B"]);

  expect(exitCode).toBe(2);
  expect(stderr).toContain("argument '\uFFFD[2J1h\uFFFD' is invalid");
});
