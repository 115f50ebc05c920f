import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testTeam } from "longhaul/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import campaigns from "../examples/02-durable-flow.ts";
import { type RunningProgram, runFile, runLonghaul, startTeam } from "./docs/team-process.ts";
import { readText } from "./docs/markdown.ts";

const linesMax = 100;
const readmeLinesMax = 25;

const numbered = readdirSync(join(import.meta.dirname, "..", "examples")).filter((name) => /^\d\d-/.test(name)).toSorted();

let dataDirectory: string;
let running: RunningProgram[] = [];

beforeEach(() => {
  dataDirectory = mkdtempSync(join(tmpdir(), "longhaul-example-"));
});

afterEach(async () => {
  for (const program of running) program.signal("SIGKILL");
  await Promise.all(running.map(({ ended }) => ended));
  running = [];
  rmSync(dataDirectory, { recursive: true, force: true, maxRetries: 5 });
});

async function start(file: string): Promise<RunningProgram> {
  const team = await startTeam(file, dataDirectory);
  running.push(team);
  return team;
}

/** The lines of a `longhaul` command, as JSON. */
async function ask(...command: readonly string[]): Promise<readonly unknown[]> {
  const program = runLonghaul([...command, "--data", dataDirectory, "--json"]);
  running.push(program);
  await program.ended;
  return program.lines.map((line) => JSON.parse(line) as unknown);
}

describe("the numbered examples", () => {
  it("are these, each with a test", () => {
    expect(numbered).toEqual(["01-first-team.ts", "02-durable-flow.ts", "03-tools-and-effects.ts", "04-test-your-team.test.ts", "05-submit-from-an-app.ts"]);
  });

  it.each(numbered)("%s is short and uses the doors of the package", (name) => {
    const text = readText(`examples/${name}`);

    expect(text.trimEnd().split("\n").length).toBeLessThan(linesMax);
    expect(text).toMatch(/from "longhaul/);
    expect(text).not.toMatch(/from "\./);
  });

  it("has the program of the README, line by line", () => {
    const program = readText("examples/01-first-team.ts");

    expect(program.trimEnd().split("\n").length).toBeLessThanOrEqual(readmeLinesMax);
    expect(readText("README.md")).toContain(`\`\`\`ts\n${program}\`\`\``);
  });
});

describe("01-first-team and 05-submit-from-an-app", () => {
  it("work on their own, and answer another process", async () => {
    const team = await start("examples/01-first-team.ts");
    const app = runFile("examples/05-submit-from-an-app.ts", [dataDirectory]);
    running.push(app);

    expect(await app.ended).toBe(0);
    expect(app.lines).toEqual([
      "same task: true created again: false",
      'done verified {"urgent":true,"quote":"The shop is down."}',
      'AGENT_UNKNOWN The team has no agent or flow "triaje". It has: inbox, triage.',
    ]);

    await team.said('"result":"done(unverified)"');
    team.signal("SIGINT");
    expect(await team.ended).toBe(0);
    expect(await ask("logs", "--agent", "inbox", "--type", "task", "--result", "done(unverified)", "--count")).toEqual([{ count: 1 }]);
  });
});

describe("02-durable-flow", () => {
  it("waits for a person and for the morning, and lists what died", async () => {
    const team = await testTeam(campaigns);
    const taskId = await team.submit("campaign", { text: "Hello" });
    await team.settle();
    const waiting = await team.task(taskId);

    expect(waiting).toMatchObject({ status: "waiting", waitingReason: "signal" });
    expect(await team.signal(waiting.runId ?? "", "approved", { by: "Ada" })).toBe(true);
    expect(await team.result(taskId)).toMatchObject({ status: "done", output: { sent: ["Hello (de)", "Hello (fr)"], failed: ["xx"], by: "Ada" } });
    await team.close();
  });

  it("goes on without an answer after three days", async () => {
    const team = await testTeam(campaigns);

    expect(await team.result(await team.submit("campaign", { text: "Hello" }), "4d")).toMatchObject({ status: "done", output: { sent: [], by: "nobody" } });
    await team.close();
  });
});

describe("03-tools-and-effects", () => {
  it("calls each kind of tool, and pays once", async () => {
    const team = await start("examples/03-tools-and-effects.ts");

    expect(await ask("task", "clerk", "--wait")).toMatchObject([{ status: "done", outcome: "verified", output: { payments: 1 }, evidence: { paid: 1 } }]);
    const calls = (await ask("logs", "--type", "tool_call")) as readonly { readonly tool_name: string; readonly result: string }[];
    expect(calls.map(({ tool_name, result }) => `${tool_name} ${result}`).toSorted()).toEqual(["balance success", "label success", "pay success", "read_text_file success"]);
    team.signal("SIGINT");
    expect(await team.ended).toBe(0);
  });
});
