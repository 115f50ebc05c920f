import { resolve } from "node:path";
import { shellWord } from "../base/shell-word.ts";
import type { CommandContext } from "./command-context.ts";

export const usualData = ".longhaul";

/** What a command that is advised needs behind it to be about the same team: " --data ../r1". Empty where it looks there by itself. */
export function placeFlags({ data, store, environment }: Pick<CommandContext, "data" | "store" | "environment">): string {
  // The address may hold a password: it is not repeated.
  if (store !== null) return environment("LONGHAUL_STORE") === store ? "" : " --store <url>";
  return resolve(data) === resolve(environment("LONGHAUL_DATA") ?? usualData) ? "" : ` --data ${shellWord(data)}`;
}
