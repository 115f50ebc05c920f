import { renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { RequestListener, Server } from "node:http";
import type { Hono } from "hono";
import { LonghaulError, messageOf } from "../base/error.ts";

export interface RunningServer {
  /** "http://127.0.0.1:7117", or the path of the socket. */
  readonly address: string;
  close(): Promise<void>;
}

/** What answers, or what loads it when the first request comes. */
export type App = Hono | (() => Promise<Hono>);

// Whoever imports it as a module makes all that it exports, an HTTP client among them, which takes ten times as long.
const { createServer } = process.getBuiltinModule("node:http");

/**
 * Serves on loopback.
 * @throws {OPTION_INVALID} when the port is taken or the host is not a loopback address.
 */
export async function serveOnPort(app: App, { host = "127.0.0.1", port }: { readonly host?: string; readonly port: number }): Promise<RunningServer> {
  if (!["127.0.0.1", "::1", "localhost"].includes(host)) throw new LonghaulError("OPTION_INVALID", `host is ${host}. Only loopback is served in this version: use 127.0.0.1.`);
  const server = serverOf(app);
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
export async function serveOnSocket(app: App, path: string): Promise<RunningServer> {
  const server = serverOf(app);
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

/** A team that nobody asks anything never loads what answers. */
function serverOf(app: App): Server {
  let listener: Promise<RequestListener> | null = null;
  return createServer((request, response) => {
    listener ??= loadListener(app);
    listener.then(
      (listen) => listen(request, response),
      (error: unknown) => {
        listener = null;
        response.writeHead(500, { "content-type": "text/plain" }).end(messageOf(error));
      },
    );
  });
}

async function loadListener(app: App): Promise<RequestListener> {
  const [{ getRequestListener }, { fetch }] = await Promise.all([import("@hono/node-server"), typeof app === "function" ? app() : app]);
  const listener = getRequestListener(fetch, { overrideGlobalObjects: false });
  return (request, response) => void listener(request, response);
}

/** The file is made with the mask of this moment, so that nobody else can connect before its mode is set. */
function listenPrivately(server: Server, path: string): void {
  const mask = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(mask);
  }
}

function listen(server: Server, begin: () => void, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: Error) => reject(new LonghaulError("OPTION_INVALID", `${what} cannot be used: ${messageOf(error)}. Give another one, or stop what uses it.`, { cause: error })));
    server.once("listening", resolve);
    begin();
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
