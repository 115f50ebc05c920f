import { describe, expect, it } from "vitest";
import { findAmbientReads } from "./tidy/ambient.ts";
import { findCycles, listEdges } from "./tidy/import-graph.ts";
import { findLayerProblems, findUndeclaredPackages } from "./tidy/layers.ts";
import { findBadNames, findBannedCode, findBannedTexts } from "./tidy/manners.ts";
import { findDoorProblems, findErrorProblems, findPinnedHosts } from "./tidy/references.ts";
import { findLongCode } from "./tidy/sizes.ts";
import { parseSources } from "./tidy/source.ts";

const doors = { longhaul: "src/index.ts", "longhaul/client": "src/http/client.ts" };

/** Parses planted files: `{ path: text }`. */
function plant(files: Readonly<Record<string, string>>) {
  return parseSources(Object.entries(files).map(([path, text]) => ({ path, text })));
}

function layerProblems(from: string, statement: string): readonly string[] {
  return findLayerProblems(listEdges(plant({ [from]: statement }), doors));
}

function cycles(files: Readonly<Record<string, string>>): readonly string[] {
  return findCycles(listEdges(plant(files), doors));
}

describe("a planted import is refused when it", () => {
  it.each([
    ["goes up", "src/engine/loop.ts", `import { run } from "../run/run.ts";`, "above"],
    ["goes up for a type", "src/record/task.ts", `import type { Run } from "../run/run.ts";`, "above"],
    ["goes up in a type expression", "src/record/task.ts", `export type Run = import("../run/run.ts").Run;`, "above"],
    ["goes up lazily", "src/run/loop.ts", `await import("../cli/main.ts");`, "above"],
    ["goes up by a re-export", "src/agent/agent.ts", `export { start } from "../runtime/runtime.ts";`, "above"],
    ["goes up by the package's name", "src/agent/agent.ts", `import { submit } from "longhaul/client";`, "above"],
    ["goes to a sibling", "src/trigger/every.ts", `import { run } from "../run/run.ts";`, "sibling"],
    ["goes from a test to a sibling", "src/store/keys.test.ts", `import type { Engine } from "../engine/engine.ts";`, "sibling"],
    ["goes from a port beyond the nouns", "src/store/store.ts", `import { openDatabase } from "../db/sqlite.ts";`, "a port imports only"],
    ["goes from a port to the files beside it", "src/model/model.ts", `import { route } from "./route.ts";`, "a port imports only"],
    ["takes a foreign type into a port", "src/model/model.ts", `import type { LanguageModel } from "ai";`, "does not cross a port"],
    ["goes from a policy beyond the nouns", "src/policy/retry.ts", `import { openDatabase } from "../db/sqlite.ts";`, "a policy imports only"],
    ["chooses an adapter outside runtime", "src/run/loop.ts", `import { createSqliteEngine } from "../engine/sqlite/engine.ts";`, "chosen by runtime"],
    ["chooses an adapter in the command line", "src/cli/ps.ts", `import type { SqliteStore } from "../store/sqlite/store.ts";`, "chosen by runtime"],
    ["chooses an adapter beside its port", "src/engine/suspend.ts", `import { pump } from "./sqlite/pump.ts";`, "chosen by runtime"],
    ["goes from adapter to adapter", "src/engine/restate/engine.ts", `import { pump } from "../sqlite/pump.ts";`, "one adapter does not know another"],
    ["goes to the public door", "src/cli/start.ts", `import { defineTeam } from "longhaul";`, "public door"],
    ["goes from the public door to another door", "src/index.ts", `export { submit } from "./http/client.ts";`, "door of its own"],
    ["publishes a test", "src/tool/tool-kit.ts", `import { serve } from "./fixture/server.ts";`, "does not import tests"],
    ["leaves src", "src/cli/start.ts", `import { demo } from "../../examples/demo.ts";`, "outside src"],
    ["goes round the doors", "examples/team.ts", `import { defineTeam } from "../src/agent/team.ts";`, "doors of the package"],
    ["goes to a folder that is not in the table", "src/run/loop.ts", `import { omit } from "../things/omit.ts";`, "not in the table"],
  ])("%s", (_name, from, statement, reason) => {
    const problems = layerProblems(from, statement);

    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`${from}:1 imports`);
    expect(problems[0]).toContain(reason);
  });

  it("chooses, outside runtime, a file beside a port that speaks to a foreign SDK", () => {
    const planted = plant({
      "src/model/provider.ts": `import { createOpenAI } from "@ai-sdk/openai";`,
      "src/run/loop.ts": `import { provider } from "../model/provider.ts";`,
    });

    expect(findLayerProblems(listEdges(planted, doors))).toEqual([expect.stringContaining("src/run/loop.ts:1")]);
  });

  it("brings a second foreign SDK into an adapter", () => {
    const planted = plant({ "src/engine/restate/engine.ts": `import "@restatedev/sdk"; import "pg";` });

    expect(findLayerProblems(listEdges(planted, doors))).toEqual([expect.stringContaining("one foreign SDK")]);
  });

  it("names a package that is no dependency", () => {
    const planted = plant({ "src/run/loop.ts": `import "vitest"; import "hono/sse"; import "node:fs";`, "src/run/loop.test.ts": `import "vitest";` });

    expect(findUndeclaredPackages(listEdges(planted, doors), ["hono"])).toEqual([expect.stringContaining("src/run/loop.ts:1 imports vitest")]);
  });

  it("but not when it goes down, stays in its folder, or is runtime's or a test's choice", () => {
    const allowed = plant({
      "src/run/loop.ts": `import { step } from "./step.ts"; import type { Engine } from "../engine/engine.ts"; import { z } from "zod";`,
      "src/engine/sqlite/engine.ts": `import { pump } from "./pump.ts"; import type { Engine } from "../engine.ts"; import { open } from "../../db/sqlite.ts";`,
      "src/runtime/compose.ts": `import { createSqliteEngine } from "../engine/sqlite/engine.ts";`,
      "src/run/loop.test.ts": `import { createSqliteEngine } from "../engine/sqlite/engine.ts";`,
      "src/index.ts": `export { defineTeam } from "./agent/team.ts"; export { start } from "./runtime/runtime.ts";`,
      "examples/team.ts": `import { defineTeam } from "longhaul"; import { flow } from "./flow.ts";`,
      "test/e2e/kill.test.ts": `import { createSqliteEngine } from "../../src/engine/sqlite/engine.ts";`,
    });

    expect(findLayerProblems(listEdges(allowed, doors))).toEqual([]);
  });
});

describe("a planted cycle is refused", () => {
  it("of two files", () => {
    expect(cycles({ "src/run/a.ts": `import "./b.ts";`, "src/run/b.ts": `import "./a.ts";` })).toEqual(["cycle: src/run/a.ts -> src/run/b.ts -> src/run/a.ts"]);
  });

  it("of types only", () => {
    expect(cycles({ "src/run/a.ts": `import type { B } from "./b.ts";`, "src/run/b.ts": `export type A = import("./a.ts").A;` })).toHaveLength(1);
  });

  it("of three files behind a straight one", () => {
    expect(cycles({ "src/a.ts": `import "./b.ts";`, "src/b.ts": `import "./c.ts";`, "src/c.ts": `import "./d.ts";`, "src/d.ts": `export { b } from "./b.ts";` })).toHaveLength(1);
  });

  it("but not a diamond", () => {
    expect(cycles({ "src/a.ts": `import "./b.ts"; import "./c.ts";`, "src/b.ts": `import "./d.ts";`, "src/c.ts": `import "./d.ts";`, "src/d.ts": `` })).toEqual([]);
  });
});

describe("planted length is refused", () => {
  const lines = (count: number) => "call();\n".repeat(count);

  it.each(["src/run/loop.ts", "src/run/loop.test.ts", "bench/start.ts"])("in %s, over 400 lines", (path) => {
    expect(findLongCode(plant({ [path]: lines(400) }))).toEqual([]);
    expect(findLongCode(plant({ [path]: lines(401) }))).toEqual([expect.stringContaining("401 lines")]);
  });

  it.each([
    ["function", "function long() {\n", "}"],
    ["arrow", "const long = () => {\n", "};"],
    ["method", "class Long { long() {\n", "} }"],
  ])("in a %s over 70 lines", (_name, head, tail) => {
    expect(findLongCode(plant({ "src/run/loop.ts": head + lines(68) + tail }))).toEqual([]);
    expect(findLongCode(plant({ "src/run/loop.ts": head + lines(69) + tail }))).toEqual([expect.stringContaining("src/run/loop.ts:1 is a function of 71 lines")]);
  });

  it("in one test, not in the block that groups tests", () => {
    const test = (count: number) => `it("is a test", () => {\n${lines(count)}});\n`;
    const block = (count: number) => `describe("tests", () => {\n${test(count)}${test(40)}});\n`;

    expect(findLongCode(plant({ "src/run/loop.test.ts": block(60) }))).toEqual([]);
    expect(findLongCode(plant({ "src/run/loop.test.ts": block(70) }))).toEqual([expect.stringContaining("src/run/loop.test.ts:2 is a function of 72 lines")]);
    expect(findLongCode(plant({ "src/run/loop.ts": block(60) }))).toHaveLength(1);
  });
});

describe("a planted ambient read is refused:", () => {
  it.each([
    "const atMs = Date.now();",
    "const now = Date.now;",
    "const at = new Date();",
    "const at = new Date;",
    "const text = Date();",
    "const { now } = Date;",
    "const atMs = globalThis.Date.now();",
    "const atMs = performance.now();",
    "const atMs = process.hrtime.bigint();",
    "const chance = Math.random();",
    `const chance = Math["random"]();`,
    "const id = crypto.randomUUID();",
    `import { randomUUID } from "node:crypto";`,
    `import { performance } from "node:perf_hooks";`,
    "setTimeout(() => undefined, 5);",
    "globalThis.setInterval(() => undefined, 5);",
    "const later = setImmediate;",
    "const timers = { setTimeout };",
    `import { setTimeout as sleep } from "node:timers/promises";`,
    `const timers = await import("node:timers");`,
    "const signal = AbortSignal.timeout(5);",
    "const home = process.env.HOME;",
    `const home = process["env"].HOME;`,
    "const { env } = process;",
    `import { env } from "node:process";`,
  ])("%s", (statement) => {
    expect(findAmbientReads(plant({ "src/run/loop.ts": statement }))).toHaveLength(1);
    expect(findAmbientReads(plant({ "src/run/loop.test.ts": statement }))).toHaveLength(1);
    expect(findAmbientReads(plant({ "src/base/clock.ts": statement }))).toEqual([]);
  });

  it("the environment, outside cli", () => {
    expect(findAmbientReads(plant({ "src/cli/main.ts": "const home = process.env.HOME;" }))).toEqual([]);
    expect(findAmbientReads(plant({ "src/cli/main.ts": "const atMs = Date.now();" }))).toHaveLength(1);
  });

  it("the database's clock and chance, in SQL", () => {
    const planted = plant({ "src/store/sqlite/runs.ts": "const sql = `SELECT datetime('now')`; const id = 'randomblob(8)';" });

    expect(findAmbientReads(planted)).toHaveLength(2);
  });

  it("but not a date of a given instant, a clock that was passed in, a type, or a name of one's own", () => {
    const allowed = `
      const at = new Date(clock.now());
      clock.setTimeout(() => undefined, 5);
      interface Timers { setTimeout(run: () => void): void }
      type Handle = ReturnType<typeof setTimeout>;
      const timers = { setTimeout: 1 };
      const text = "Date.now() and setTimeout()";
    `;

    expect(findAmbientReads(plant({ "src/run/loop.ts": allowed }))).toEqual([]);
  });
});

describe("planted bad manners are refused:", () => {
  it.each([
    "try { call(); } catch {}",
    "const value = input as any;",
    "function take(value: any) {}",
    "export default 1;",
    `export * from "./other.ts";`,
  ])("%s", (statement) => {
    expect(findBannedCode(plant({ "src/run/loop.ts": statement }))).toHaveLength(1);
  });

  it.each(["it.only('runs', run);", "describe.skip('runs', run);", "it.todo('runs');", "test.concurrent.each([]); it.skip.each([])('runs', run);", "vi.mock('./loop.ts');"])("%s", (statement) => {
    expect(findBannedCode(plant({ "src/run/loop.test.ts": statement }))).toHaveLength(1);
  });

  it("but not a catch that says why it ignores", () => {
    expect(findBannedCode(plant({ "src/run/loop.ts": "try { call(); } catch { /* closed already */ }" }))).toEqual([]);
  });

  it.each([
    ["a note to finish it later", ["// TO", "DO later"]],
    ["silences the compiler", ["// @ts-", "ignore"]],
    ["silences the linter", ["// oxlint-", "disable-next-line"]],
    ["a path of one machine", ["see /", "tmp/out.json"]],
    ["a path of one machine", ["cd /", "work/main"]],
    ["a host or tool of one place", ["https://registry.", "npmjs.org/"]],
  ])("%s", (reason, parts) => {
    expect(findBannedTexts([{ path: "docs/page.md", text: `first\n${parts.join("")}\n` }])).toEqual([expect.stringContaining(`docs/page.md:2 has ${reason}`)]);
  });

  it.each(["src/run/runLoop.ts", "src/run/utils.ts", "src/run/types.ts", "src/helpers/loop.ts", "src/run/index.ts", "src/loose.ts", "test/Loop.test.ts"])("the name %s", (path) => {
    expect(findBadNames(plant({ [path]: "export const a = 1;" }), ["src/index.ts"])).toHaveLength(1);
  });

  it("a barrel that is no door", () => {
    const barrel = `export { a } from "./a.ts"; export type { B } from "./b.ts";`;

    expect(findBadNames(plant({ "src/run/all.ts": barrel, "src/index.ts": barrel }), ["src/index.ts"])).toEqual([expect.stringContaining("src/run/all.ts")]);
  });
});

describe("a reference that drifts is refused:", () => {
  const table = `export const errorCodes = { RUN_LOST: { cause: "c", remedy: "r" } };`;
  const files = { "src/base/error-code.ts": table, "src/run/loop.ts": `throw new LonghaulError("RUN_LOST", "lost");` };

  it("an error code that is not on the page, not in the table, or not used", () => {
    expect(findErrorProblems(plant(files), "| `RUN_LOST` | c | r |")).toEqual([]);
    expect(findErrorProblems(plant(files), "### RUN_LOST")).toEqual([]);
    expect(findErrorProblems(plant(files), "")).toEqual([expect.stringContaining("RUN_LOST is not in")]);
    expect(findErrorProblems(plant(files), "| `RUN_LOST` |\n| `RUN_FOUND` |")).toEqual([expect.stringContaining("RUN_FOUND is in")]);
    expect(findErrorProblems(plant({ ...files, "src/run/loop.ts": "" }), "### RUN_LOST")).toEqual([expect.stringContaining("used by nothing")]);
  });

  const manifest = { name: "longhaul", exports: { ".": { "longhaul-source": "./src/index.ts", types: "./dist/index.d.ts", default: "./dist/index.js" } } };
  const door = plant({ "src/index.ts": `export { defineTeam, type Team } from "./agent/team.ts"; export const version = 1;` });

  it("a door that leads nowhere or a name that is not documented", () => {
    expect(findDoorProblems(manifest, door, "`defineTeam(…)` `Team` `version`")).toEqual([]);
    expect(findDoorProblems(manifest, door, "`defineTeams` `Team` `version`")).toEqual([expect.stringContaining("defineTeam of longhaul")]);
    expect(findDoorProblems(manifest, [], "")).toEqual([expect.stringContaining("which is missing")]);
  });

  it("a door whose types and code come from different files", () => {
    const exports = { ".": { ...manifest.exports["."], types: "./dist/other.d.ts" } };

    expect(findDoorProblems({ ...manifest, exports }, door, "`defineTeam` `Team` `version`")).toEqual([expect.stringContaining(`exports["."]`)]);
  });

  it("a lock file that pins a host", () => {
    expect(findPinnedHosts({ path: "package-lock.json", text: `"resolved": "https://packages.example/a.tgz"` })).toHaveLength(1);
    expect(findPinnedHosts({ path: "package-lock.json", text: `"resolved": "toolchain", "link": true` })).toEqual([]);
  });
});
