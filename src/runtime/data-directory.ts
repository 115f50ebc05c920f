import { chmodSync, lstatSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { LonghaulError } from "../base/error.ts";
import { hashOf } from "../base/json.ts";
import { makePrivateDirectory } from "./make-directory.ts";

/** Where a team keeps everything: one SQLite file, the token of its HTTP interface, its control socket. */
export interface DataDirectory {
  readonly path: string;
  readonly database: string;
  readonly token: string;
  /** Where the HTTP interface of the running team listens: JSON `{"url"}`. */
  readonly endpoint: string;
  /** Which child processes run: of a process that was killed they are ended by the next one. */
  readonly children: string;
  /** What the supervisor says while it starts the team again: JSON, see `RestartNote`. */
  readonly supervisor: string;
  /** In the data directory, or where that has too long a path for a socket, in a folder of this user's own below the system's temporary one. */
  readonly socket: string;
}

/** Longest path of a Unix socket on every platform that we run on. */
const socketPathBytesMax = 100;

export function dataDirectory(path: string): DataDirectory {
  const absolute = resolve(path);
  const socket = join(absolute, "control.sock");
  return {
    path: absolute,
    database: join(absolute, "longhaul.db"),
    token: join(absolute, "token"),
    endpoint: join(absolute, "endpoint.json"),
    children: join(absolute, "children"),
    supervisor: join(absolute, "supervisor.json"),
    socket: Buffer.byteLength(socket) <= socketPathBytesMax ? socket : join(tmpdir(), `longhaul-${userId()}`, `${hashOf(absolute)}.sock`),
  };
}

/**
 * Creates the directory, readable by its owner only, and the token of the HTTP interface.
 * @throws {DATA_DIRECTORY_UNSAFE}
 */
export function prepareDataDirectory(directory: DataDirectory, newToken: () => string): string {
  makePrivateDirectory(directory.path);
  const socketFolder = dirname(directory.socket);
  if (!isThere(socketFolder)) makePrivateDirectory(socketFolder);
  assertSocketFolder(directory);
  const held = readToken(directory);
  if (held === null) writeFileSync(directory.token, `${newToken()}\n`, { mode: 0o600 });
  chmodSync(directory.token, 0o600);
  return held ?? readToken(directory) ?? "";
}

/**
 * Anybody may make a folder in the system's temporary one, under the name that we would use: whoever talks to a socket there looks first whose it is.
 * @throws {DATA_DIRECTORY_UNSAFE}
 */
export function assertSocketFolder(directory: DataDirectory): void {
  const folder = dirname(directory.socket);
  if (folder === directory.path) return;
  const found = lstatSync(folder, { throwIfNoEntry: false });
  if (found === undefined || (found.isDirectory() && found.uid === userId() && (found.mode & 0o077) === 0)) return;
  throw new LonghaulError("DATA_DIRECTORY_UNSAFE", `The folder ${folder} of the control socket is not this user's alone. Remove it, or give a shorter --data path, so that the socket fits into the data directory.`);
}

/** The token; null when there is none. An empty file, left by a full disk, is none: with it everybody would have the token. */
function readToken({ token }: DataDirectory): string | null {
  return isThere(token) ? readFileSync(token, "utf8").trim() || null : null;
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Windows has none; there the temporary folder is the user's own. */
function userId(): number {
  return process.getuid?.() ?? 0;
}
