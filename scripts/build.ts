import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");
const distNext = join(root, "dist-next");
/** What the present dist was built from. */
const inputsFile = ".inputs";

/** Compiles src into dist. A failed build leaves the old dist as it was. */
export function build(): void {
  rmSync(distNext, { recursive: true, force: true });
  const inputs = computeInputs();
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json", "--outDir", distNext], { cwd: root, stdio: "inherit" });
  if (status !== 0) throw new Error(`The build failed: tsc exited with ${status}. Its messages stand above.`);
  writeFileSync(join(distNext, inputsFile), inputs);
  removeBuild();
  renameSync(distNext, dist);
}

/** Builds only when a source, the compiler's configuration or a dependency changed since the last build. */
export function buildIfNeeded(): void {
  const built = join(dist, inputsFile);
  if (existsSync(built) && readFileSync(built, "utf8") === computeInputs()) return;
  build();
}

/** Removes what was built, so that nothing runs a build older than its sources. */
export function removeBuild(): void {
  rmSync(dist, { recursive: true, force: true });
}

/** One line for each input of the build: path, size, time of the last change. */
function computeInputs(): string {
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).map((path) => join("src", path));
  return ["package-lock.json", "tsconfig.json", "tsconfig.build.json", ...sources.toSorted()]
    .map((path) => {
      const { size, mtimeMs } = statSync(join(root, path));
      return `${path} ${size} ${mtimeMs}\n`;
    })
    .join("");
}

if (import.meta.main) {
  try {
    if (process.argv.includes("--if-needed")) buildIfNeeded();
    else build();
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
