import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { engineBugs } from "../test/oracle/engine-bugs.ts";
import { failureBugs } from "../test/oracle/failure-bugs.ts";
import type { PlantedBug } from "../test/oracle/planted-bug.ts";

// Plants the bugs of test/oracle one at a time in a copy of the tree and runs the tests that are to catch each: `npm run oracle`.
// `--only "dropped fsync"` plants one, `--of failures` those of one list, `--json` prints for machines. Ends with 1 when one is missed.
const { values } = parseArgs({ options: { only: { type: "string" }, of: { type: "string" }, json: { type: "boolean", default: false } } });
const root = join(import.meta.dirname, "..");
const copied = ["src", "test", "examples", "templates", "docs", "scripts", "bin", "package.json", "tsconfig.json", "vitest.config.ts", "README.md", "ARCHITECTURE.md"];
/** A planted bug may make a test wait for ever; what does not end in this time is stopped and counts as caught. */
const suiteMsMax = 240_000;

interface Verdict {
  readonly bug: string;
  readonly caught: boolean;
  readonly by: string;
  readonly seconds: number;
}

/** Runs tests in the copy. Resolves to "passed", "failed" or "stopped". */
function runTests(tree: string, suite: string): Promise<"passed" | "failed" | "stopped"> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(root, "node_modules/vitest/vitest.mjs"), "run", "--project", "unit", "--bail", "1", suite], { cwd: tree, stdio: "ignore" });
    let wasStopped = false;
    const timer = setTimeout(() => {
      wasStopped = true;
      child.kill("SIGKILL");
    }, suiteMsMax);
    child.once("exit", (code) => {
      clearTimeout(timer);
      resolve(wasStopped ? "stopped" : code === 0 ? "passed" : "failed");
    });
  });
}

async function plant(tree: string, bug: PlantedBug): Promise<Verdict> {
  const file = join(tree, bug.file);
  const text = readFileSync(file, "utf8");
  if (text.split(bug.find).length !== 2) throw new Error(`The place of the bug "${bug.name}" does not stand in ${bug.file} exactly once. Change the list in test/oracle.`);
  const beganAt = performance.now();
  writeFileSync(file, text.replace(bug.find, () => bug.replace));
  try {
    for (const suite of bug.suites) {
      const end = await runTests(tree, suite);
      if (end !== "passed") return { bug: bug.name, caught: true, by: end === "stopped" ? `${suite} (did not end)` : suite, seconds: secondsSince(beganAt) };
    }
    return { bug: bug.name, caught: false, by: "", seconds: secondsSince(beganAt) };
  } finally {
    writeFileSync(file, text);
  }
}

function secondsSince(beganAt: number): number {
  return Math.round((performance.now() - beganAt) / 1000);
}

const lists: Readonly<Record<string, readonly PlantedBug[]>> = { engine: engineBugs, failures: failureBugs };
const all = values.of === undefined ? Object.values(lists).flat() : (lists[values.of] ?? []);
const bugs = all.filter(({ name }) => values.only === undefined || name === values.only);
if (bugs.length === 0) throw new Error(`There is no such bug. There are, --of ${Object.keys(lists).join(" or ")}: ${Object.values(lists).flat().map(({ name }) => name).join(", ")}.`);
const tree = mkdtempSync(join(tmpdir(), "longhaul-oracle-"));
try {
  for (const name of copied) cpSync(join(root, name), join(tree, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
  // A test that fails without any bug would catch them all.
  for (const suite of new Set(bugs.flatMap(({ suites }) => suites))) {
    if ((await runTests(tree, suite)) !== "passed") throw new Error(`${suite} fails without a bug. Mend it first: npx vitest run --project unit ${suite}`);
  }
  const verdicts: Verdict[] = [];
  for (const [index, bug] of bugs.entries()) {
    const verdict = await plant(tree, bug);
    verdicts.push(verdict);
    if (!values.json) console.log(`${String(index + 1).padStart(3)}/${bugs.length} ${verdict.caught ? "caught" : "MISSED"} ${bug.name.padEnd(48)} ${verdict.by} ${verdict.seconds} s`);
  }
  const caught = verdicts.filter((verdict) => verdict.caught).length;
  if (values.json) console.log(JSON.stringify(verdicts));
  else console.log(`${caught} of ${verdicts.length} planted bugs were caught.`);
  if (caught < verdicts.length) process.exitCode = 1;
} finally {
  rmSync(tree, { recursive: true, force: true });
}
