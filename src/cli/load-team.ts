import { existsSync, statSync } from "node:fs";
import { dirname, join, parse, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { isLonghaulError, LonghaulError, messageOf } from "../base/error.ts";

/**
 * Imports the file of a team: its default export, or its export `team`. What it is gets checked when the team is opened.
 * A file that ends the process cannot be caught: `tell` is called while the process ends, which it then does with 1.
 * @throws {TEAM_NOT_LOADED} naming the file and, where the file itself failed, the place.
 */
export async function loadTeam(file: string, tell: (error: LonghaulError) => void): Promise<unknown> {
  const path = resolve(file);
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) {
    const other = siblingOf(path);
    if (other !== null) throw new LonghaulError("TEAM_NOT_LOADED", `There is no file ${path}, but there is ${other} beside it. Give that one.`);
    throw new LonghaulError("TEAM_NOT_LOADED", `There is no file ${path}. Give the path of a team's file, or create one with \`longhaul init\`.`);
  }
  const exported = await importFile(path, tell);
  const team = exported["default"] ?? exported["team"];
  if (team !== undefined) return team;
  const names = Object.keys(exported);
  throw new LonghaulError("TEAM_NOT_LOADED", `${path} exports ${names.length === 0 ? "nothing" : names.join(", ")}, but no team. Add \`export default defineTeam({ ... })\`.`);
}

/** `longhaul init` writes team.mts where the package is CommonJS. */
function siblingOf(path: string): string | null {
  const { dir, name } = parse(path);
  return [".mts", ".ts", ".mjs", ".js"].map((extension) => `${name}${extension}`).find((file) => existsSync(join(dir, file))) ?? null;
}

async function importFile(path: string, tell: (error: LonghaulError) => void): Promise<Readonly<Record<string, unknown>>> {
  const shown = relative(process.cwd(), path);
  const watch = watchEnd(shown, tell);
  try {
    return (await Promise.race([import(pathToFileURL(path).href), watch.stuck])) as Readonly<Record<string, unknown>>;
  } catch (error) {
    if (isLonghaulError(error)) throw new LonghaulError(error.code, `${error.message}\n${placeOf(error)}`.trimEnd(), { cause: error, details: error.details });
    const hint = /import statement outside a module|Unexpected token 'export'/.test(messageOf(error)) ? '. Add "type": "module" to package.json, or name the file .mts.' : "";
    throw new LonghaulError("TEAM_NOT_LOADED", `${shown} failed while it was imported: ${messageOf(error)}${hint}\n${placeOf(error)}`.trimEnd(), { cause: error });
  } finally {
    watch.release();
  }
}

/** What would end the process with nothing said: nothing is left to do while the import still waits, or the file itself ends the process. */
function watchEnd(shown: string, tell: (error: LonghaulError) => void): { readonly stuck: Promise<never>; readonly release: () => void } {
  let onStuck: () => void = () => undefined;
  const stuck = new Promise<never>((_, reject) => {
    onStuck = () => reject(new LonghaulError("TEAM_NOT_LOADED", `${shown} never finishes loading: it awaits something at its top level that does not come. Await it in a step, or give it a time limit.`));
  });
  const onExit = (code: number): void => {
    tell(new LonghaulError("TEAM_NOT_LOADED", `${shown} ended the process with ${code} while it was imported: it, or something that it imports, calls process.exit. Throw an error instead.`, { cause: `process.exit(${code})` }));
    process.exitCode = 1;
  };
  process.once("beforeExit", onStuck);
  process.once("exit", onExit);
  return {
    stuck,
    release() {
      process.off("beforeExit", onStuck);
      process.off("exit", onExit);
    },
  };
}

const placeLinesMax = 8;
const ownCode = pathToFileURL(dirname(import.meta.dirname)).href;

/** Where in the user's own files it happened: the source line of a syntax error, or the frames of a thrown one down to where Node took over. */
function placeOf(error: unknown): string {
  const lines = error instanceof Error ? (error.stack ?? "").split("\n") : [];
  const isFrame = (line: string): boolean => /^\s+at /.test(line);
  const source = lines.slice(0, lines.findIndex((line) => /^\w*Error\b/.test(line))).filter((line) => !isFrame(line));
  const frames = lines.filter((line) => isFrame(line) && !line.includes(ownCode));
  const taken = frames.findIndex((line) => line.includes("node:"));
  return [...source, ...(taken === -1 ? frames : frames.slice(0, taken))].slice(0, placeLinesMax).join("\n");
}
