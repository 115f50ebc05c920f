import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createProviderSimulator, type ProviderSimulatorServer, replyText, replyToolCall, serveProviderSimulator, toolResultsOf } from "longhaul/simulator";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { diffLines } from "./diff-lines.ts";
import { listBlocks, readText } from "./markdown.ts";
import { type RunningProgram, runFile, runLonghaul, startTeam } from "./team-process.ts";

const changedLinesMax = 10;
const root = join(import.meta.dirname, "..", "..");

/** How many messages each call brought: 1 for the first of an agent, 3 for the one after a tool's result. */
let calls: number[] = [];
/** The call after the tool's result is never answered while this is true. */
let isSecondCallHanging = false;
let server: ProviderSimulatorServer;
let environment: Readonly<Record<string, string>>;
let dataDirectory: string;
const teams: RunningProgram[] = [];

beforeAll(async () => {
  const simulator = createProviderSimulator({
    script: (request) => {
      calls.push(request.messages.length);
      const found = toolResultsOf(request)[0];
      return found === undefined ? replyToolCall("findCompany", { name: "Acme" }) : replyText(`It has ${String((JSON.parse(found.text) as { readonly employees: number }).employees)} people.`);
    },
    faults: (request) => (isSecondCallHanging && toolResultsOf(request).length > 0 ? { kind: "hang" } : undefined),
  });
  server = await serveProviderSimulator({ simulator });
  environment = { ANTHROPIC_API_KEY: "simulated-key", ANTHROPIC_BASE_URL: `${server.url}/v1` };
});

afterAll(async () => server.close());

beforeEach(() => {
  calls = [];
  isSecondCallHanging = false;
  dataDirectory = mkdtempSync(join(tmpdir(), "longhaul-adopt-"));
  return async () => {
    for (const team of teams) team.signal("SIGKILL");
    await Promise.all(teams.splice(0).map(({ ended }) => ended));
    rmSync(dataDirectory, { recursive: true, force: true, maxRetries: 5 });
  };
});

async function start(): Promise<RunningProgram> {
  const team = await startTeam("examples/adopt/after.ts", dataDirectory, environment);
  teams.push(team);
  return team;
}

async function ask(...command: readonly string[]): Promise<string> {
  const program = runLonghaul([...command, "--data", dataDirectory, "--json"]);
  await program.ended;
  return program.lines.join("\n");
}

it("changes at most ten lines, and the page shows exactly them", () => {
  const changes = diffLines(readText("examples/adopt/before.ts"), readText("examples/adopt/after.ts"));
  const changed = changes.filter(({ sign }) => sign !== " ");
  const shown = listBlocks(readText("docs/guide/adopt.md")).find(({ language }) => language === "diff");

  expect(changed.length).toBeGreaterThan(0);
  expect(changed.length).toBeLessThanOrEqual(changedLinesMax);
  expect(shown?.text).toBe(changes.map(({ sign, line }) => `${sign}${line}\n`).join(""));
});

it("compiles before and after", () => {
  const config = join(dataDirectory, "tsconfig.json");
  const compilerOptions = { typeRoots: [join(root, "node_modules", "@types")] };
  writeFileSync(config, JSON.stringify({ extends: join(root, "tsconfig.json"), compilerOptions, include: [], files: ["before", "after"].map((name) => join(root, "examples", "adopt", `${name}.ts`)) }));

  const { stdout, error } = spawnSync(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", config, "--pretty", "false", "--listFiles"], { cwd: root, encoding: "utf8" });
  const lines = stdout.split("\n");

  expect(error).toBeUndefined();
  expect(lines.filter((line) => /adopt[/\\](before|after)\.ts$/.test(line))).toHaveLength(2);
  expect(lines.filter((line) => /^error TS|adopt.*error TS/.test(line))).toEqual([]);
});

it("runs before the change, forgetting everything", async () => {
  const before = runFile("examples/adopt/before.ts", [], environment);

  expect(await before.ended).toBe(0);
  expect(before.lines).toEqual(["It has 120 people."]);
  expect(calls).toEqual([1, 3]);
});

it("goes on after a crash without asking the model again for what it had answered", async () => {
  isSecondCallHanging = true;
  const first = await start();
  const { taskId } = JSON.parse(await ask("task", "research", '"Acme"')) as { readonly taskId: string };
  await first.said('"event_type":"tool_call"');
  first.signal("SIGKILL");
  await first.ended;
  const firstCallsBefore = calls.filter((messages) => messages === 1);

  isSecondCallHanging = false;
  const second = await start();
  await second.said('"result":"done(');
  second.signal("SIGINT");

  expect(await second.ended).toBe(0);
  expect(await ask("show", taskId)).toContain("It has 120 people.");
  expect(firstCallsBefore).toEqual([1]);
  expect(calls.filter((messages) => messages === 1)).toEqual([1]);
  expect(await ask("logs", "--type", "tool_call", "--count")).toBe('{"count":1}');
});
