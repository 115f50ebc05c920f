import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** Makes a directory and those above it that are missing, for their owner only. Node's own `recursive` never returns below a directory that refuses with ENOENT, such as /proc. */
export function makePrivateDirectory(path: string): void {
  if (isDirectory(path)) return;
  const parent = dirname(path);
  if (parent !== path) makePrivateDirectory(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!isDirectory(path)) throw error;
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
