import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");

it("starts the program", () => {
  const { status, stdout } = spawnSync(process.execPath, ["bin/longhaul.js", "--help"], { cwd: root, encoding: "utf8" });

  expect(status).toBe(0);
  expect(stdout).toContain("longhaul");
});

it("says what to type in a checkout that is not built", () => {
  const folder = mkdtempSync(join(tmpdir(), "longhaul-bin-"));
  cpSync(join(root, "bin"), join(folder, "bin"), { recursive: true });
  cpSync(join(root, "package.json"), join(folder, "package.json"));

  const { status, stdout, stderr } = spawnSync(process.execPath, ["bin/longhaul.js", "ps"], { cwd: folder, encoding: "utf8" });
  rmSync(folder, { recursive: true });

  expect({ status, stdout, stderr }).toEqual({ status: 1, stdout: "", stderr: "longhaul is not built yet. Type: npm run build\n" });
});
