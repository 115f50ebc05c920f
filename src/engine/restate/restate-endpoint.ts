import { createServer as createHttp2Server, type Http2Server, type Http2Session } from "node:http2";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createEndpointHandler, type LoggerTransport } from "@restatedev/restate-sdk";
import { systemClock, type Timer } from "../../base/clock.ts";
import { LonghaulError, messageOf } from "../../base/error.ts";
import { Intake, type IntakeLimits } from "./call-intake.ts";
import { attachStream } from "./call-stream.ts";
import { restateServices, type ServicesOptions } from "./restate-services.ts";

export interface EndpointOptions extends ServicesOptions, IntakeLimits {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** How long nothing may come from Restate, which is asked meanwhile, until a connection counts as lost. Real time, as of all that is on a wire. */
  readonly silentMsMax: number;
  /** Public keys of the Restate servers that may call; others are refused. None: whoever reaches the port. */
  readonly identityKeys?: readonly string[];
  /** Callers that may be connected at once; more are turned away. Default 3,000: room for 12,000 calls at once with 4 on each, and fewer than the 4,096 files that a process may have open on many systems. */
  readonly connectionsMax?: number;
  /** Told of each caller that is turned away, and of each call that is cut off. */
  readonly onFault?: (error: unknown) => void;
}

const connectionsMaxDefault = 3_000;

/** As many calls on a connection as Restate likes: HTTP/2's own limit. */
const unlimited = 2 ** 32 - 1;
/** How often it is looked, within that time, whether something has come. */
const looks = 4;

/** A connection, what had come on it at the last look, and at how many looks that was no more than at the one before. */
interface Connection {
  /** It may be over while its socket, which the other side has not closed, is not. */
  readonly session: Http2Session;
  bytes: number;
  silentLooks: number;
}

/** Where Restate calls this process. */
export class RestateEndpoint {
  readonly #server: Http2Server;
  readonly #host: string;
  readonly #connectionsMax: number;
  readonly #onFault: (error: unknown) => void;
  readonly #connections = new Map<Socket, Connection>();
  #looking: Timer | null = null;
  /** Takes connections for the server, and can be shut without a word to those that there are. */
  #door: Server;
  #port = 0;
  #isClosed = false;

  private constructor(server: Http2Server, { host, connectionsMax = connectionsMaxDefault, onFault = ignore }: Pick<EndpointOptions, "host" | "connectionsMax" | "onFault">) {
    this.#server = server;
    this.#host = host;
    this.#connectionsMax = connectionsMax;
    this.#onFault = onFault;
    this.#door = this.#createDoor();
    // A connection that breaks is Restate's to make anew; without listeners it would end the process.
    server.on("sessionError", ignore);
    server.on("session", (session) => session.on("error", ignore));
  }

  /** @throws {OPTION_INVALID} when the address cannot be listened on. */
  static async open({ silentMsMax, port, identityKeys = [], ...options }: EndpointOptions): Promise<RestateEndpoint> {
    const services = [...restateServices(options)];
    const serve = createEndpointHandler({ services, logger, ...(identityKeys.length === 0 ? {} : { identityKeys: [...identityKeys] }) });
    const intake = new Intake({ ...options, onFault: options.onFault ?? ignore });
    const server = createHttp2Server((request, response) => {
      attachStream(request, response);
      intake.serve(request.stream, () => serve(request, response));
    });
    const endpoint = new RestateEndpoint(server, options);
    await endpoint.#listen(port);
    endpoint.#lookLater(silentMsMax / looks);
    return endpoint;
  }

  get port(): number {
    return this.#port;
  }

  /**
   * Takes no call any more; those that there are go on. A balancer finds that nobody listens. Restate is told that its connections take no call more: of one that says
   * goodbye, as HTTP/2 would have it, Restate gives up all calls at once.
   */
  withdraw(): void {
    this.#door.close();
    this.#allowCalls(0);
  }

  /** Takes calls again, at the same place, unless it does. Rejects when somebody else has taken that meanwhile. */
  async return(): Promise<void> {
    if (this.#isClosed || this.#door.listening) return;
    this.#door = this.#createDoor();
    await this.#listen(this.#port);
    this.#allowCalls(unlimited);
  }

  /** Takes no connection any more and cuts those that there are: what Restate had called here is called again elsewhere. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#looking?.cancel();
    const closed = new Promise<void>((resolve) => this.#door.close(() => resolve()));
    for (const socket of this.#connections.keys()) socket.destroy();
    await closed;
  }

  /** On each of the connections that there are. */
  #allowCalls(maxConcurrentStreams: number): void {
    for (const { session } of this.#connections.values()) if (!session.destroyed) session.settings({ maxConcurrentStreams });
  }

  #lookLater(everyMs: number): void {
    this.#looking = systemClock.setTimer(everyMs, () => {
      for (const [socket, connection] of this.#connections) look(socket, connection);
      if (!this.#isClosed) this.#lookLater(everyMs);
    });
  }

  #createDoor(): Server {
    return createServer((socket) => {
      if (this.#connections.size >= this.#connectionsMax) {
        socket.destroy();
        this.#onFault(new Error(`${this.#host}:${this.#port}, where Restate calls this worker, has ${this.#connectionsMax} connections, and takes no more. See who opens them: nobody but Restate, or a balancer, may.`));
        return;
      }
      this.#server.once("session", (session) => this.#connections.set(socket, { session, bytes: 0, silentLooks: 0 }));
      socket.on("close", () => this.#connections.delete(socket));
      // It has a session by the time that this returns.
      this.#server.emit("connection", socket);
    });
  }

  async #listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#door.once("error", (error) => reject(new LonghaulError("OPTION_INVALID", `listen is ${this.#host}:${port}, which cannot be used: ${messageOf(error)}. Give another one, or stop what uses it.`, { cause: error })));
      this.#door.listen(port, this.#host, () => resolve());
    });
    this.#port = (this.#door.address() as AddressInfo).port;
  }
}

/** A link that vanishes says nothing, and TCP tells of it after a quarter of an hour, or never. A process that was stopped has one look when it goes on, and then hears first. */
function look(socket: Socket, connection: Connection): void {
  const { bytesRead } = socket;
  connection.silentLooks = bytesRead === connection.bytes ? connection.silentLooks + 1 : 0;
  connection.bytes = bytesRead;
  if (connection.silentLooks === looks) socket.destroy();
  else if (!connection.session.destroyed) connection.session.ping(ignore);
}

/** What an attempt failed of is told by Restate's own records and tried again; it is not written to the console of a team. */
const logger: LoggerTransport = ignore;

function ignore(): void {
  // See where it is used.
}
