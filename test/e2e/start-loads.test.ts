import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");

it("a team of plain code loads no SDK, no schema library and no HTTP server's framework before somebody needs it", async () => {
  const data = mkdtempSync(join(tmpdir(), "longhaul-loads-"));
  const reporter = join(import.meta.dirname, "fixture", "report-modules.ts");
  const child = spawn(process.execPath, ["--import", reporter, join(root, "bin/longhaul.js"), "start", join(root, "test/bench/fixture/idle-team.ts"), "--data", data, "--json"], { stdio: ["ignore", "pipe", "pipe"] });
  const reported = text(child.stderr);
  const ended = once(child, "exit");
  for await (const line of createInterface({ input: child.stdout })) if (line.includes('"done(')) break;
  child.stdout.resume();
  child.kill("SIGINT");
  await ended;
  rmSync(data, { recursive: true });

  const packages = [...(await reported).matchAll(/node_modules\/((?:@[^/\n]+\/)?[^/\n]+)\//g)].map(([, name]) => name);
  expect(packages.filter((name) => name !== "commander" && name !== "croner")).toEqual([]);
  expect(packages).toContain("commander");
});
