import { readFileSync } from "node:fs";
import { messageOf } from "../base/error.ts";
import { isNestedDeeper, type Json, jsonDepthMax } from "../base/json.ts";
import { usageError } from "./failure-report.ts";

/**
 * The JSON that was given as an argument: itself, `@file`, or `-` for standard input. Nothing: null.
 * @throws {CLI_USAGE}
 */
export function readJsonArgument(argument: string | undefined, what: string, readInput: () => string = () => readFileSync(0, "utf8")): Json {
  if (argument === undefined) return null;
  if (argument === "-") return parse(readInput(), `${what} on standard input`);
  if (!argument.startsWith("@")) return parse(argument, what);
  const file = argument.slice(1);
  try {
    return parse(readFileSync(file, "utf8"), `${what} in ${file}`);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : null;
    if (code === "ENOENT" || code === "ENOTDIR") throw usageError(`${what}: there is no file ${file === "" ? "behind the @" : file}.`, error);
    if (code === "EISDIR") throw usageError(`${what}: ${file} is a folder. Give a file that holds JSON.`, error);
    if (code === "EACCES" || code === "EPERM") throw usageError(`${what}: this user may not read ${file}.`, error);
    throw error;
  }
}

const shownLengthMax = 80;

function parse(text: string, what: string): Json {
  if (isNestedDeeper(text, jsonDepthMax)) throw usageError(`${what} is nested deeper than ${jsonDepthMax} levels. Give flatter data, or text.`);
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    const shown = text.length > shownLengthMax ? `${text.slice(0, shownLengthMax)}…` : text;
    throw usageError(`${what} is not JSON: ${shown.trim()}\n(${messageOf(error)}) Quote it for the shell, as in '{"company":"Acme"}', or give @file or - for standard input.`, error);
  }
}
