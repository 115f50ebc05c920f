import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { isJsonObject, type Json } from "../base/json.ts";
import { partialSuffix } from "./backup-place.ts";

/** A backup that is not where it was made counts for nothing, and may come back: its disk is not mounted. So many are remembered. */
const missingMax = 1_000;

/**
 * The backups that the teams of one data directory made by themselves, in the order in which they were made: neither their names nor the times of their files
 * tell that after a clock was set, nor who made them. It is in the data directory, not in the data file, which is copied and restored elsewhere.
 */
export class MadeBackups {
  readonly #file: string;
  /** Oldest first. */
  #paths: readonly string[];
  /** One that was begun; of a process that was killed there may be a part, or the whole. */
  #begun: string | null;

  constructor(dataDirectory: string) {
    this.#file = join(dataDirectory, "backups-made.json");
    const stored = readStored(this.#file);
    this.#paths = Array.isArray(stored["paths"]) ? stored["paths"].filter((path) => typeof path === "string") : [];
    this.#begun = typeof stored["begun"] === "string" ? stored["begun"] : null;
  }

  /** One is made at this path from now on. Removes what is left of one that was begun before. */
  begin(path: string): void {
    const left = this.#begun;
    this.#begun = path;
    if (left !== null && existsSync(left) && !this.#paths.includes(left)) this.#paths = [...this.#paths, left];
    if (left !== null) rmSync(`${left}${partialSuffix}`, { force: true });
  }

  /** That one is whole. */
  end(): void {
    if (this.#begun !== null) this.#paths = [...this.#paths, this.#begun];
    this.#begun = null;
  }

  /** It was not made, and nothing of it is there: what has its name, if anything, is somebody else's. */
  giveUp(): void {
    this.#begun = null;
  }

  /** Removes the oldest ones of a directory but so many. Those that the team made elsewhere, when it was told so, are its people's. */
  removeOld(directory: string, keep: number): void {
    const here = this.#paths.filter((path) => dirname(path) === directory);
    const present = new Set(here.filter((path) => existsSync(path)));
    const missing = here.filter((path) => !present.has(path)).slice(-missingMax);
    const old = [...present].slice(0, Math.max(0, present.size - keep));
    this.#paths = here.filter((path) => present.has(path) || missing.includes(path));
    for (const path of old) {
      rmSync(path, { force: true });
      this.#paths = this.#paths.filter((each) => each !== path);
    }
  }

  /** Throws where the disk refuses it. Then it is known to this process alone. */
  save(): void {
    writeFileSync(`${this.#file}.partial`, JSON.stringify({ paths: this.#paths, begun: this.#begun }), { mode: 0o600 });
    renameSync(`${this.#file}.partial`, this.#file);
  }
}

function readStored(file: string): Readonly<Record<string, Json>> {
  try {
    const stored = JSON.parse(readFileSync(file, "utf8")) as Json;
    return isJsonObject(stored) ? stored : {};
  } catch {
    // None was made, or the file was cut off: what was made before is then its people's.
    return {};
  }
}
