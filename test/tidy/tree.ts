import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { SourceText } from "./source.ts";

const root = join(import.meta.dirname, "..", "..");

/** Folders that npm, the build, git or a running team wrote. */
const written = ["node_modules", "dist", "dist-next", "coverage", ".git", ".longhaul"];

/** The folders whose code is held to the house's rules. */
const codeFolders = /^(bin|src|test|examples|bench|scripts|templates)\//;

/** Every text file of the repository. */
export function readTree(folder = ""): readonly SourceText[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return written.includes(entry.name) ? [] : readTree(path);
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
