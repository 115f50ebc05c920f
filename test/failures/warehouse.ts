import { McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { type HttpFixture, startHttpFixture } from "../../src/tool/fixture/http-server.ts";
import type { Hooks } from "./hooks.ts";
import type { Outside } from "./outside.ts";

export interface WarehouseOptions {
  readonly outside: Outside;
  readonly reach: (point: keyof Hooks) => Promise<unknown>;
}

/** The courier's tools as an MCP server. What a hook returns is sent as it is. */
export function warehouseServer({ outside, reach }: WarehouseOptions): McpServer {
  const server = new McpServer({ name: "warehouse", version: "1.0.0" });
  const answer = (replaced: unknown, value: unknown) => (replaced ?? { content: [{ type: "text", text: JSON.stringify(value) }] }) as { readonly content: { readonly type: "text"; readonly text: string }[] };
  server.registerTool("look_up", { description: "Where an order is", inputSchema: z.object({ order: z.string() }) }, async () => answer(await reach("lookUp"), { fact: outside.fact }));
  server.registerTool("deliver", { description: "Deliver what was found", inputSchema: z.object({ order: z.string(), fact: z.string() }) }, async ({ order, fact }) => {
    const early = await reach("beforeDelivery");
    if (early !== undefined) return answer(early, null);
    const receipt = outside.deliver(order, fact, null);
    return answer(await reach("afterDelivery"), receipt);
  });
  return server;
}

/** That server over HTTP, in this process, on one port for as long as the world lasts. */
export class Warehouse {
  readonly #options: WarehouseOptions;
  #fixture: HttpFixture | null = null;
  #port = 0;
  #requests = 0;
  #refusal: number | null = null;

  constructor(options: WarehouseOptions) {
    this.#options = options;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/mcp`;
  }

  /** Requests so far: a sign of activity. */
  get requests(): number {
    return this.#requests;
  }

  async start(): Promise<void> {
    const refuse = (): number | null => {
      this.#requests++;
      return this.#refusal;
    };
    this.#fixture = await startHttpFixture({ era: "session", port: this.#port, refuse, serve: () => warehouseServer(this.#options) });
    this.#port = this.#fixture.port;
  }

  /** Answers every request with this status from now on; null: serves again. */
  refuse(status: number | null): void {
    this.#refusal = status;
  }

  /** Ends every connection and stops listening; sessions are forgotten. */
  async stop(): Promise<void> {
    await this.#fixture?.kill();
    this.#fixture = null;
  }

  /** Ends every connection and goes on listening. */
  cut(): void {
    this.#fixture?.cut();
  }
}
