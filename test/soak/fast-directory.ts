import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** In memory where the system has that: what is measured is not how fast a disk syncs. */
const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

export function fastDirectory(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(parent, "longhaul-soak-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
