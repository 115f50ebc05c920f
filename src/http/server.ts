import { renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { createAdaptorServer, type ServerType } from "@hono/node-server";
import type { Hono } from "hono";
import { LonghaulError, messageOf } from "../base/error.ts";

export interface RunningServer {
  /** "http://127.0.0.1:7117", or the path of the socket. */
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Serves on loopback.
 * @throws {OPTION_INVALID} when the port is taken or the host is not a loopback address.
 */
export async function serveOnPort(app: Hono, { host = "127.0.0.1", port }: { readonly host?: string; readonly port: number }): Promise<RunningServer> {
  if (!["127.0.0.1", "::1", "localhost"].includes(host)) throw new LonghaulError("OPTION_INVALID", `host is ${host}. Only loopback is served in this version: use 127.0.0.1.`);
  const server = createAdaptorServer({ fetch: app.fetch });
  await listen(server, () => server.listen(port, host), `Port ${port} on ${host}`);
  const bound = server.address();
  const boundPort = typeof bound === "object" && bound !== null ? bound.port : port;
  return { address: `http://${host.includes(":") ? `[${host}]` : host}:${boundPort}`, close: () => close(server) };
}

let socketsBound = 0;

/**
 * Serves on a Unix socket that only its owner may use. The caller owns the data directory, so a socket file that is there is a dead one's, or that of
 * a process that was taken over from: it is replaced. When that one closes its server at last, it leaves the new file alone.
 */
export async function serveOnSocket(app: Hono, path: string): Promise<RunningServer> {
  const server = createAdaptorServer({ fetch: app.fetch });
  // Node removes the file of the name that a server was bound to, whoever has put another one there: so the name is one that nobody else uses.
  const boundPath = join(dirname(path), `c${process.pid}-${++socketsBound}`);
  rmSync(boundPath, { force: true });
  await listen(server, () => listenPrivately(server, boundPath), `The socket ${path}`);
  const { ino } = statSync(boundPath);
  renameSync(boundPath, path);
  return {
    address: path,
    close: async () => {
      if (statSync(path, { throwIfNoEntry: false })?.ino === ino) rmSync(path, { force: true });
      await close(server);
    },
  };
}

/** The file is made with the mask of this moment, so that nobody else can connect before its mode is set. */
function listenPrivately(server: ServerType, path: string): void {
  const mask = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(mask);
  }
}

function listen(server: ServerType, begin: () => void, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: Error) => reject(new LonghaulError("OPTION_INVALID", `${what} cannot be used: ${messageOf(error)}. Give another one, or stop what uses it.`, { cause: error })));
    server.once("listening", resolve);
    begin();
  });
}

function close(server: ServerType): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    if ("closeAllConnections" in server) server.closeAllConnections();
  });
}
