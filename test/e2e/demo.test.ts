import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const demoTimeoutMs = 120_000;

it("npm run demo loses nothing, pays nothing twice, ends a hanging tool, names a hollow flow and tidies up", { timeout: demoTimeoutMs + 10_000 }, () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["examples/release-watch/demo.ts"], { cwd: root, encoding: "utf8", timeout: demoTimeoutMs });
  const table = new Map([...stdout.matchAll(/^(?:ok {4}|FAILED) {2}(.+?) {2,}(.*)$/gm)].map(([, what = "", figure = ""]) => [what, figure]));

  expect(stderr).toBe("");
  expect(stdout).not.toContain("FAILED");
  expect(table.get("analyses done before the kill")).toMatch(/^[1-9] of 10$/);
  expect(table.get("lost tasks")).toMatch(/^none of 1\d$/);
  expect(table.get("releases that are in the digest exactly once")).toBe("10 of 10");
  expect(table.get("digests")).toBe("1, put in place 1 time");
  expect(table.get("model calls paid twice")).toMatch(/^none of the [1-9]\d* written down before the kill$/);
  expect(table.get("the tool that hung was ended after")).toMatch(/^[3-9]\.\d s$/);
  expect(table.get("analyses done meanwhile")).toBe("2");
  expect(table.get("in the digest, with the reason")).toBe("glob");
  expect(table.get("longhaul health calls the digest flow")).toBe("hollow");
  expect(Number.parseFloat(table.get("from the end of its interval to the message") ?? "")).toBeLessThan(60);
  expect(table.get("exit code after Ctrl-C")).toBe("0");
  expect(stdout).toContain("> Simulated: no model was asked");
  expect(stdout).toMatch(/webhook: digest is hollow/);
  expect(stdout).toMatch(/^(\d+) of \1 as promised\.$/m);
  expect(status).toBe(0);
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith("longhaul-demo-")), "files that the demo left behind").toEqual([]);
  expect(findProcesses("longhaul-demo-"), "processes that the demo left behind").toEqual([]);
});

/** Command lines that contain `text`; on Linux only, where they can be read without another program. */
function findProcesses(text: string): readonly string[] {
  if (process.platform !== "linux") return [];
  const commands = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(readCommand);
  return commands.filter((command) => command.includes(text));
}

function readCommand(pid: string): string {
  try {
    return readFileSync(join("/proc", pid, "cmdline"), "utf8").replaceAll("\0", " ").trim();
  } catch {
    // It ended meanwhile.
    return "";
  }
}
