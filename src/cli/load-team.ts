import { statSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { isLonghaulError, LonghaulError, messageOf } from "../base/error.ts";

/**
 * Imports the file of a team: its default export, or its export `team`. What it is gets checked when the team is opened.
 * @throws {TEAM_NOT_LOADED} naming the file and, where the file itself failed, the place.
 */
export async function loadTeam(file: string): Promise<unknown> {
  const path = resolve(file);
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) {
    throw new LonghaulError("TEAM_NOT_LOADED", `There is no file ${path}. Give the path of a team's file, or create one with \`longhaul init\`.`);
  }
  const exported = await importFile(path);
  const team = exported["default"] ?? exported["team"];
  if (team !== undefined) return team;
  const names = Object.keys(exported);
  throw new LonghaulError("TEAM_NOT_LOADED", `${path} exports ${names.length === 0 ? "nothing" : names.join(", ")}, but no team. Add \`export default defineTeam({ ... })\`.`);
}

async function importFile(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    if (isLonghaulError(error)) throw new LonghaulError(error.code, `${error.message}\n${placeOf(error)}`.trimEnd(), { cause: error, details: error.details });
    throw new LonghaulError("TEAM_NOT_LOADED", `${relative(process.cwd(), path)} failed while it was imported: ${messageOf(error)}\n${placeOf(error)}`.trimEnd(), { cause: error });
  }
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
