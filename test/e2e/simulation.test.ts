import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "longhaul-simulation-"));
afterAll(() => rmSync(folder, { recursive: true }));

it("a simulation runs from what is built, as it does from source", () => {
  const simulate = (file: string, ...flags: readonly string[]): unknown => {
    const program = join(folder, "simulate.mjs");
    writeFileSync(program, `
      const { simulate } = await import(${JSON.stringify(pathToFileURL(join(root, file)).href)});
      const { trace, counts } = await simulate({ team: "test/simulation/fixture/fifty-agents.ts", horizon: "1d", environment: { AGENTS: "2", EVERY: "1h" } });
      console.log(JSON.stringify({ trace, done: counts["task done"] }));`);
    const { stdout, stderr } = spawnSync(process.execPath, [...flags, program], { cwd: root, encoding: "utf8" });
    return stdout === "" ? stderr : JSON.parse(stdout);
  };

  const built = simulate("dist/lab/simulation/simulate.js");

  expect(built).toMatchObject({ done: 48 });
  expect(simulate("src/lab/simulation/simulate.ts", "--conditions=longhaul-source")).toEqual(built);
});
