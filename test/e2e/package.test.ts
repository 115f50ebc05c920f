import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly exports: object; readonly dependencies: object };
const doors = Object.keys(manifest.exports).flatMap((door) => (door === "./package.json" ? [] : [`longhaul${door.slice(1)}`]));

/** A folder of someone who uses the package: the tarball's content and its dependencies in node_modules, nothing else. */
const consumer = mkdtempSync(join(tmpdir(), "longhaul-consumer-"));
const installed = join(consumer, "node_modules", "longhaul");

/** Without the tests' own folder for what Node compiled: the program has one of its own. */
const { NODE_COMPILE_CACHE: _compiled, ...environment } = process.env;

function run(command: string, args: readonly string[], cwd = consumer) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env: environment, encoding: "utf8", shell: process.platform === "win32" });
  return { status, output: stdout + stderr };
}

beforeAll(() => {
  // It leaves beside itself what Node compiled, which is not to be packed.
  run(process.execPath, [join(root, "bin", "longhaul.js"), "--help"], root);
  const { status, output } = run("npm", ["pack", "--ignore-scripts", "--pack-destination", consumer], root);
  if (status !== 0) throw new Error(`npm pack failed: ${output}`);
  const [tarball = ""] = readdirSync(consumer);
  mkdirSync(installed, { recursive: true });
  run("tar", ["-xzf", tarball, "-C", installed, "--strip-components=1"]);
  for (const name of [...Object.keys(manifest.dependencies), "@types/node"]) {
    const link = join(consumer, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(root, "node_modules", name), link, "junction");
  }
  writeFileSync(join(consumer, "package.json"), JSON.stringify({ type: "module" }));
  const imports = doors.map((door, index) => `import * as door${index} from "${door}";`);
  writeFileSync(join(consumer, "main.ts"), `${imports.join("\n")}\nconsole.log([${doors.map((_, index) => `door${index}`).join(", ")}].map((door) => Object.keys(door).length > 0).join());\n`);
});

afterAll(() => rmSync(consumer, { recursive: true, force: true }));

it("carries what runs and what is read, and no tests", () => {
  const files = readdirSync(installed, { recursive: true, encoding: "utf8" });

  expect(files).toEqual(expect.arrayContaining(["LICENSE", "README.md", "CHANGELOG.md", join("bin", "longhaul.js"), join("dist", "cli", "main.js"), join("dist", "index.d.ts")]));
  expect(files.filter((file) => /\.(test|test-d|testsuite)\.|\bfixture\b|^(src|test|docs|toolchain)\b|\.inputs$|\.compiled\b/.test(file))).toEqual([]);
});

it("has types that a strict consumer compiles at every door", () => {
  const options = { strict: true, module: "nodenext", target: "es2024", types: ["node"], noEmit: true, skipLibCheck: false };
  writeFileSync(join(consumer, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["main.ts"] }));

  const { output } = run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "--pretty", "false"]);

  expect(output.split("\n").filter((line) => /^(main\.ts|node_modules\/longhaul\/)/.test(line))).toEqual([]);
});

it("loads at every door", () => {
  expect(run(process.execPath, ["main.ts"])).toEqual({ status: 0, output: `${doors.map(() => "true").join()}\n` });
});

it("runs as a command, and keeps beside itself what Node compiled", () => {
  const { status, output } = run(process.execPath, [join(installed, "bin", "longhaul.js"), "--help"]);

  expect(status).toBe(0);
  expect(output).toContain("longhaul");
  expect(readdirSync(join(installed, "dist", ".compiled"))).not.toEqual([]);
});
