import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { placeCommands } from "../../src/cli/typed-command.ts";
import { createInertProgram, refuse } from "../docs/command-line.ts";
import { runLonghaul } from "../docs/team-process.ts";
import { clusterPlace } from "../fixture/cluster-team.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });

const teamFile = join(import.meta.dirname, "fixture", "command-line-team.ts");
const folder = mkdtempSync(join(tmpdir(), "longhaul-advice-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const commands = createInertProgram().commands.map((command) => command.name());
const secret = "s3cret-w0rd";

it("every command but those that are about no team is placed", () => {
  expect(commands.filter((name) => placeCommands(`longhaul ${name}`, "--data x") === `longhaul ${name}`).toSorted()).toEqual(["fake-provider", "init"]);
});

/** What bash makes of a command line, and of placeholders. */
function wordsOf(line: string): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    execFile("bash", ["-c", `set -- ${line}; printf '%s\\0' "$@"`], (error, stdout) => (error === null ? resolve(stdout.split("\0").slice(0, -1)) : reject(error)));
  });
}

async function say(...args: readonly string[]): Promise<{ readonly text: string; readonly exitCode: unknown }> {
  const program = runLonghaul(args);
  const exitCode = await program.ended;
  return { text: [...program.lines, ...program.errors].join("\n"), exitCode };
}

/** Each command line that stands in backticks, or behind a colon at the end of a line; with something in the place of what is to be filled in. */
function advisedIn(said: string): readonly string[] {
  const found = Array.from(said.matchAll(/`longhaul ([^`\n]+)`|: longhaul ([^`\n]+?)(?:, or .*| \[[A-Z_]+\])?$/gm), ([, ticked, last]) => ticked ?? last ?? "");
  return [...new Set(found.map((line) => line.replaceAll(/ <[\w.]+>/g, " x")))];
}

const endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n";

/** Runs a team there until it has done one task, and lets commands say all that they advise. */
async function collect(where: readonly string[], more: readonly string[]): Promise<string> {
  const team = runLonghaul(["start", teamFile, "--json", "--port", "0", ...where, ...more]);
  await team.said('"event":"started"');
  const { id } = JSON.parse((await say("task", "adder", "1", "--wait", "--json", ...where)).text.split("\n")[0] ?? "{}") as { readonly id: string };
  team.signal("SIGTERM");
  await team.ended;
  const asked = [
    ["ps"], ["ps", "--agent", "none"], ["runs", "--agent", "none"], ["logs", "--agent", "none"], ["health"], ["doctor"], ["doctor", "--json"], ["approve"], ["mcp"], ["mcp", "s", "t"], ["breakers"],
    ["show", id], ["show", id, "--step", "9"], ["show", "t_none"], ["show", "t_none", "--json"], ["cancel", id], ["cancel", "t_none"], ["restart", id], ["restart", id, "--json"], ["skip", id], ["fork", id],
    ["fork", id, "--from", "99"], ["approve", "r_none", "--allow"], ["approve", "r_none"], ["task", "adder", "2", "--wait"], ["task", "adder", "2"], ["breakers", "it's a tool", "--isolate", "why"], ["breakers", "--close"], ["sql", "x"], ["sql", endless, "--timeout", "300ms"],
  ];
  const said: string[] = [];
  for (const args of asked) said.push((await say(...args, ...where)).text);
  return said.join("\n");
}

describe.each(["--data", "--store"] as const)("what commands advise that were called with %s", (option) => {
  let place: string;
  let said: string;
  beforeAll(async () => {
    if (option === "--data") {
      place = `--data '${join(folder, "an other place")}'`;
      said = await collect(["--data", join(folder, "an other place")], []);
      return;
    }
    const { store, restate, listen } = await clusterPlace();
    const address = new URL(store);
    address.password = secret;
    place = `--store '${address.href.replace(secret, "<password>")}'`;
    said = await collect(["--store", address.href, "--data", join(folder, "token")], ["--restate-ingress", restate.ingress, "--restate-admin", restate.admin, "--listen", `127.0.0.1:${listen.port}`]);
  });

  it("is about the same team, and is taken as it is typed", async () => {
    expect(said.match(new RegExp(`\\blonghaul (?:${commands.join("|")})\\b.*`, "g")), "commands that name no place").toBe(null);
    expect(said.split(`longhaul ${place} `).length).toBeGreaterThan(30);
    expect(said).not.toContain(secret);
    const lines = advisedIn(said);
    expect(lines.length).toBeGreaterThan(12);
    for (const line of lines) expect([line, await refuse(await wordsOf(line))]).toEqual([line, null]);
  });

  it("is what is wrong: a query without an end was ended", () => {
    expect(said).toContain("The query was ended: it took longer than 300 ms. Ask for less, or give it more time with --timeout. [STORE_QUERY]");
  });

  it("does what it says when it is pasted", async () => {
    const reading = advisedIn(said).filter((line) => / (?:ps|runs|logs|show|approve|mcp|breakers)(?: --all| [rt]_1\w+(?: --step 1)?)?$/.test(line));
    expect(reading.length).toBeGreaterThan(7);

    for (const line of reading) expect([line, (await say(...(await wordsOf(line)), "--json")).exitCode]).toEqual([line, 0]);
  });
});
