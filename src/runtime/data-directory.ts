import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { LonghaulError } from "../base/error.ts";
import { hashOf } from "../base/json.ts";

/** Where a team keeps everything: one SQLite file, the token of its HTTP interface, its control socket. */
export interface DataDirectory {
  readonly path: string;
  readonly database: string;
  readonly token: string;
  /** Where the HTTP interface of the running team listens: JSON `{"url"}`. */
  readonly endpoint: string;
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
    socket: Buffer.byteLength(socket) <= socketPathBytesMax ? socket : join(tmpdir(), `longhaul-${hashOf(absolute)}.sock`),
  };
}

/** Creates the directory, readable by its owner only, and the token of the HTTP interface. */
export function prepareDataDirectory(directory: DataDirectory, newToken: () => string): string {
  mkdirSync(directory.path, { recursive: true, mode: 0o700 });
  if (!existsSync(directory.token)) writeFileSync(directory.token, `${newToken()}\n`, { mode: 0o600, flag: "wx" });
  chmodSync(directory.token, 0o600);
  return readToken(directory);
}

/** @throws {STORE_NOT_FOUND} */
function readToken(directory: DataDirectory): string {
  try {
    return readFileSync(directory.token, "utf8").trim();
  } catch (error) {
    throw new LonghaulError("STORE_NOT_FOUND", `There is no token in ${directory.path}. Start a team there first, or give --data.`, { cause: error });
  }
}
