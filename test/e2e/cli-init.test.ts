import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { longhaul, root, startLonghaul, temporaryFolder } from "./fixture/longhaul.ts";

/** The command as the package ships it. */
const program = [join(root, "bin", "longhaul.js")];

function newFolder(): string {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  return folder.path;
}

/** What `npm install` would bring. */
function install(project: string): void {
  mkdirSync(join(project, "node_modules"));
  symlinkSync(root, join(project, "node_modules", "longhaul"), "junction");
  symlinkSync(join(root, "node_modules", "zod"), join(project, "node_modules", "zod"), "junction");
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));

it("creates a project whose team runs without a key and does its work", async () => {
  const folder = newFolder();
  const project = join(folder, "night-shift");
  const created = await longhaul(["init", "night-shift"], { cwd: folder, program });

  expect(created).toMatchObject({ exitCode: 0, stderr: "", stdout: expect.stringContaining("cd night-shift\n  npm install\n  npx longhaul start team.ts\n\nWhile you write the team, instead: npx longhaul dev team.ts\n") as string });
  expect(readdirSync(project).toSorted()).toEqual([".gitignore", "README.md", "inbox", "package.json", "simulated-writer.ts", "team.ts"]);
  expect(readJson(join(project, "package.json"))).toMatchObject({ name: "night-shift", type: "module", scripts: { start: "longhaul start team.ts", dev: "longhaul dev team.ts" }, dependencies: { longhaul: expect.any(String) as string, zod: expect.any(String) as string } });

  install(project);
  const team = startLonghaul(["start", "team.ts", "--port", "0"], { cwd: project, program });
  onTestFinished(() => void team.child.kill("SIGKILL"));
  await team.line((line) => line.includes("a simulated model answers"));
  await team.line((line) => line.startsWith("night-shift: watcher, writer"));
  await team.line((line) => /\swatcher\s+task done/.test(line));
  team.child.kill("SIGINT");

  expect(await team.ended).toBe(0);
  expect(readFileSync(join(project, "outbox", "welcome.md.summary.md"), "utf8")).toMatch(/^# Welcome to your team\n\n\(simulated\) This text was found by the watcher/);
});

it("overwrites nothing and names each file that is in the way", async () => {
  const folder = newFolder();
  writeFileSync(join(folder, "team.ts"), "mine");
  const { exitCode, stderr } = await longhaul(["init"], { cwd: folder, program });

  expect(exitCode).toBe(1);
  expect(stderr).toContain("team.ts exists");
  expect(stderr).toContain("INIT_FILES_EXIST");
  expect(readdirSync(folder)).toEqual(["team.ts"]);
});

it("completes the package.json that npm made of an empty folder", async () => {
  const folder = newFolder();
  writeFileSync(join(folder, "package.json"), JSON.stringify({ dependencies: { longhaul: "file:longhaul.tgz" } }));
  const { exitCode, stdout } = await longhaul(["init", ".", "--json"], { cwd: folder, program });

  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ added: expect.arrayContaining(["type", "scripts.start", "dependencies.zod"]) as unknown });
  expect(readJson(join(folder, "package.json"))).toMatchObject({ type: "module", dependencies: { longhaul: "file:longhaul.tgz" } });
});

it("writes a team that runs also where the project's modules are CommonJS", async () => {
  const folder = newFolder();
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "old", type: "commonjs" }));
  const { stdout } = await longhaul(["init"], { cwd: folder, program });

  expect(stdout).toContain("npx longhaul start team.mts");
  expect(readdirSync(folder)).toContain("team.mts");
  expect(readJson(join(folder, "package.json"))).toMatchObject({ type: "commonjs", scripts: { start: "longhaul start team.mts" } });
});
