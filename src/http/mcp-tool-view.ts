import type { JsonObject } from "../base/json.ts";
import type { McpToolView as HeldTool } from "../runtime/mcp-pins.ts";

/** A tool of an MCP server, as the HTTP interface and `--json` say it. */
export interface McpToolView {
  readonly server: string;
  readonly tool: string;
  readonly state: "pinned" | "changed";
  readonly hash: string;
  readonly since: string;
  readonly by: string;
  readonly definition: JsonObject;
  readonly offered: { readonly hash: string; readonly since: string; readonly changes: readonly string[]; readonly definition: JsonObject } | null;
}

export function toMcpToolView({ server, tool, state, hash, sinceMs, by, definition, offer }: HeldTool): McpToolView {
  const offered = offer === null ? null : { hash: offer.hash, since: new Date(offer.atMs).toISOString(), changes: offer.changes, definition: offer.definition };
  return { server, tool, state, hash, since: new Date(sinceMs).toISOString(), by, definition, offered };
}
