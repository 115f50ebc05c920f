import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { createEndpointHandler, type LoggerTransport } from "@restatedev/restate-sdk";
import { LonghaulError, messageOf } from "../../base/error.ts";
import { restateServices, type RestateHandler } from "./restate-services.ts";

export interface EndpointOptions {
  readonly team: string;
  readonly handler: RestateHandler;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly recallMsMax: number;
  /** Public keys of the Restate servers that may call; others are refused. None: whoever reaches the port. */
  readonly identityKeys?: readonly string[];
}

/** Where Restate calls this process. */
export class RestateEndpoint {
  readonly #server: Http2Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Http2Server) {
    this.#server = server;
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    // A connection that breaks is Restate's to make anew; without listeners it would end the process.
    server.on("sessionError", ignore);
    server.on("session", (session) => session.on("error", ignore));
  }

  /** @throws {OPTION_INVALID} when the address cannot be listened on. */
  static async open({ team, handler, recallMsMax, host, port, identityKeys = [] }: EndpointOptions): Promise<RestateEndpoint> {
    const { slots, runs } = restateServices(team, handler, recallMsMax);
    const serve = createEndpointHandler({ services: [slots, runs], logger, ...(identityKeys.length === 0 ? {} : { identityKeys: [...identityKeys] }) });
    const endpoint = new RestateEndpoint(createServer(serve));
    await new Promise<void>((resolve, reject) => {
      endpoint.#server.once("error", (error) => reject(new LonghaulError("OPTION_INVALID", `listen is ${host}:${port}, which cannot be used: ${messageOf(error)}. Give another one, or stop what uses it.`, { cause: error })));
      endpoint.#server.listen(port, host, () => resolve());
    });
    return endpoint;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes no connection any more and cuts those that there are: what Restate had called here is called again elsewhere. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** What an attempt failed of is told by Restate's own records and tried again; it is not written to the console of a team. */
const logger: LoggerTransport = ignore;

function ignore(): void {
  // See where it is used.
}
