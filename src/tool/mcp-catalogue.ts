import type * as Sdk from "@modelcontextprotocol/client";
import { LonghaulError } from "../base/error.ts";
import { isNestedDeeper, jsonDepthMax } from "../base/json.ts";
import { messageBytesMax } from "./mcp-http.ts";

/** What a server may list in all: more is not read. */
export const listedPagesMax = 100;
export const listedToolsMax = 10_000;
/** What of it an agent may be shown: each turn of its model carries all of it. `allow` says which. */
export const shownToolsMax = 128;
export const shownBytesMax = 262_144;

/** The pages of a server's list of tools. */
export class Catalogue {
  readonly #server: string;
  readonly #tools: Sdk.Tool[] = [];
  #pages = 0;
  #bytes = 0;

  constructor(server: string) {
    this.#server = server;
  }

  get tools(): readonly Sdk.Tool[] {
    return this.#tools;
  }

  /** @throws {MCP_CATALOGUE_TOO_LARGE} */
  add(page: readonly Sdk.Tool[]): void {
    this.#pages++;
    this.#bytes += bytesOf(page);
    for (const tool of page) this.#tools.push(tool);
    const [over, max] = this.#pages > listedPagesMax ? ["pages", listedPagesMax] : this.#tools.length > listedToolsMax ? ["tools", listedToolsMax] : this.#bytes > messageBytesMax ? ["bytes", messageBytesMax] : [null, 0];
    if (over !== null) throw tooLarge(this.#server, `lists its tools in more than ${max} ${over}, and was not read further (${this.#tools.length} tools so far). Mend the server, or have one that offers less.`);
  }
}

/** @throws {MCP_CATALOGUE_TOO_LARGE} when what an agent would be shown of a server does not fit a prompt. */
export function assertShowable(server: string, shown: readonly Sdk.Tool[], isAllowed: boolean): void {
  const remedy = isAllowed ? "Name fewer tools in `allow`." : "Name the tools that the agent needs in `allow`.";
  if (shown.length > shownToolsMax) throw tooLarge(server, `has ${shown.length} tools to show, and at most ${shownToolsMax} of a server are shown. ${remedy}`);
  const deep = shown.find((tool) => isNestedDeeper(JSON.stringify(tool), jsonDepthMax));
  if (deep !== undefined) throw tooLarge(server, `has a tool ${deep.name} whose schema is nested deeper than ${jsonDepthMax} levels. Leave it out by naming the others in \`allow\`.`);
  const bytes = bytesOf(shown.map(({ name, title, description, inputSchema, annotations }) => ({ name, title, description, inputSchema, annotations })));
  if (bytes > shownBytesMax) throw tooLarge(server, `has ${shown.length} tools to show whose descriptions and schemas take ${bytes} bytes, over the limit of ${shownBytesMax}. ${remedy}`);
}

function tooLarge(server: string, what: string): LonghaulError {
  return new LonghaulError("MCP_CATALOGUE_TOO_LARGE", `MCP server ${server} ${what}`, { retry: "backoff", details: { server } });
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
