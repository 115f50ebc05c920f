import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where Linux keeps files in memory: what a crash leaves is copied from there, so that waiting for a real disk would prove nothing more. */
const memoryFiles = "/dev/shm";

/** A folder for the disks of stories. */
export function storyFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(existsSync(memoryFiles) ? memoryFiles : tmpdir(), "longhaul-reliability-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
