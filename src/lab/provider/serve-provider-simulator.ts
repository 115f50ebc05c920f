import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { once } from "node:events";
import { Readable } from "node:stream";
import { LonghaulError, messageOf } from "../../base/error.ts";
import type { ProviderSimulator } from "./provider-simulator.ts";

/** Options of `serveProviderSimulator`. */
export interface ServeProviderSimulatorOptions {
  readonly simulator: ProviderSimulator;
  /** Default: 0, any free port. */
  readonly port?: number;
  /** Loopback only: any key is accepted here. Default: 127.0.0.1. */
  readonly host?: string;
}

/** A simulator that listens on loopback. */
export interface ProviderSimulatorServer {
  /** As in `http://127.0.0.1:4010`; clients that want a base URL with `/v1` append it. */
  readonly url: string;
  readonly port: number;
  /** Closes the simulator too, and every connection. */
  close(): Promise<void>;
}

const loopbackHosts: ReadonlySet<string> = new Set(["127.0.0.1", "::1", "localhost"]);

/**
 * Serves a provider simulator over HTTP, chunk by chunk. A cut destroys the socket; a hang holds it until the client goes away.
 * @throws {SIMULATOR_LISTEN} when the host is not loopback or the port is taken.
 */
export async function serveProviderSimulator(options: ServeProviderSimulatorOptions): Promise<ProviderSimulatorServer> {
  const { simulator, port = 0, host = "127.0.0.1" } = options;
  if (!loopbackHosts.has(host)) {
    throw new LonghaulError("SIMULATOR_LISTEN", `The provider simulator does not listen on ${host}. Use 127.0.0.1, ::1 or localhost.`);
  }
  const server = createServer((incoming, outgoing) => void exchange(simulator, incoming, outgoing));
  await listen(server, port, host);
  const address = server.address();
  const boundPort = typeof address === "object" && address !== null ? address.port : port;
  return {
    url: `http://${host === "::1" ? "[::1]" : host}:${boundPort}`,
    port: boundPort,
    async close() {
      simulator.close();
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    throw new LonghaulError("SIMULATOR_LISTEN", `The provider simulator cannot listen on ${host}:${port}: ${messageOf(error)}. Use another port, or 0.`, {
      cause: error,
    });
  }
}

/** Never rejects: whatever goes wrong with one connection is shown to that client by closing it. */
async function exchange(simulator: ProviderSimulator, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const clientGone = new AbortController();
  outgoing.once("close", () => {
    if (!outgoing.writableFinished) clientGone.abort();
  });
  try {
    const response = await simulator.fetch(toRequest(incoming, clientGone.signal));
    await send(response, outgoing);
  } catch {
    // A cut, a closed simulator or a client that left: all three end in a broken connection, and the receipt says which.
    outgoing.destroy();
  }
}

function toRequest(incoming: IncomingMessage, signal: AbortSignal): Request {
  const headers = new Headers();
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  const url = new URL(incoming.url ?? "/", "http://localhost");
  const method = incoming.method ?? "GET";
  if (method === "GET" || method === "HEAD") return new Request(url, { method, headers, signal });
  return new Request(url, { method, headers, signal, body: Readable.toWeb(incoming) as ReadableStream<Uint8Array>, duplex: "half" });
}

async function send(response: Response, outgoing: ServerResponse): Promise<void> {
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  // So that a stream that has nothing to say yet is seen to be open.
  outgoing.flushHeaders();
  for await (const chunk of response.body ?? []) await write(outgoing, chunk);
  outgoing.end();
}

/** Resolves when the chunk has left for the client: a cut that follows does not take it along. */
function write(outgoing: ServerResponse, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    outgoing.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}
