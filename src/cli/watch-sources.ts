import { type FSWatcher, readdirSync, watch } from "node:fs";
import { join, resolve } from "node:path";
import type { Clock, Timer } from "../base/clock.ts";

export interface SourceWatch {
  /** The next change after the last one that was taken; the name of the file. */
  next(): Promise<string>;
  close(): void;
}

export interface SourceWatchOptions {
  readonly directory: string;
  /** Left out, with everything in it. */
  readonly dataDirectory: string;
  readonly clock: Clock;
}

/** Editors write a file in several steps, and people save several files. */
const settleMs = 150;
const directoriesMax = 2_000;
/** Code only: teams write documents and data themselves, and a change of theirs is no reason to begin again. */
const isSource = (name: string): boolean => /\.[cm]?[jt]s$/.test(name) || name === "package.json" || name === ".env";

/** Watches the code of a directory and what lies below it, but for dot folders, `node_modules` and the data directory. */
export function watchSources({ directory, dataDirectory, clock }: SourceWatchOptions): SourceWatch {
  const watchers = new Map<string, FSWatcher>();
  let settle: Timer | null = null;
  let changed: string | null = null;
  let waiting: ((file: string) => void) | null = null;

  const tell = (): void => {
    settle = null;
    if (changed === null || waiting === null) return;
    waiting(changed);
    waiting = null;
    changed = null;
  };
  const onEvent = (folder: string, name: string | null): void => {
    if (name === null) return;
    add(folder);
    if (!isSource(name)) return;
    changed = name;
    settle?.cancel();
    settle = clock.setTimer(settleMs, tell);
  };
  const add = (folder: string): void => {
    for (const path of listFolders(folder, resolve(dataDirectory))) {
      if (watchers.has(path) || watchers.size >= directoriesMax) continue;
      const watcher = tryWatch(path, (name) => onEvent(path, name), () => watchers.delete(path));
      if (watcher !== null) watchers.set(path, watcher);
    }
  };
  add(resolve(directory));
  return {
    next: () =>
      new Promise((tellFile) => {
        waiting = tellFile;
        if (changed !== null && settle === null) tell();
      }),
    close() {
      settle?.cancel();
      for (const watcher of watchers.values()) watcher.close();
    },
  };
}

/** A folder that is removed, now or later, ends its watch. @throws when the system has no watch left to give. */
function tryWatch(path: string, onFile: (name: string | null) => void, onGone: () => void): FSWatcher | null {
  try {
    const watcher = watch(path, (_event, name) => onFile(name));
    watcher.on("error", () => {
      watcher.close();
      onGone();
    });
    return watcher;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

/** The folder and those below it. */
function listFolders(root: string, dataDirectory: string): readonly string[] {
  const folders: string[] = [root];
  for (const folder of folders) {
    if (folders.length >= directoriesMax) break;
    for (const name of subfoldersOf(folder)) if (join(folder, name) !== dataDirectory) folders.push(join(folder, name));
  }
  return folders;
}

function subfoldersOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() && !entry.name.startsWith(".") && entry.name !== "node_modules" ? [entry.name] : []));
  } catch {
    // Removed while it was read: there is nothing to watch.
    return [];
  }
}
