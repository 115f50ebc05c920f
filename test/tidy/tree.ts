import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { SourceText } from "./source.ts";

const root = join(import.meta.dirname, "..", "..");

/** What npm, the build, git or a running team wrote: folders (`dist/`) and endings (`*.log`) of .gitignore. */
const ignored = [".git/", ...readFileSync(join(root, ".gitignore"), "utf8").trim().split("\n")];

/** The folders whose code is held to the house's rules. */
const codeFolders = /^(bin|src|test|examples|bench|scripts|templates)\//;

/** Every text file of the repository. */
export function readTree(folder = ""): readonly SourceText[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (ignored.includes(`${entry.name}/`) || ignored.some((ending) => ending.startsWith("*") && entry.name.endsWith(ending.slice(1)))) return [];
    if (entry.isDirectory()) return readTree(path);
    return entry.isFile() ? readText(path) : [];
  });
}

function readText(path: string): readonly SourceText[] {
  const text = readFileSync(join(root, path), "utf8");
  return text.includes("\u0000") ? [] : [{ path, text }];
}

export function isHouseCode({ path }: SourceText): boolean {
  return codeFolders.test(path) && /\.[mc]?[jt]sx?$/.test(path);
}
