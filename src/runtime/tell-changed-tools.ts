import type { Clock } from "../base/clock.ts";
import { hashOf } from "../base/json.ts";
import { quoteName } from "../base/quote.ts";
import type { Store } from "../store/store.ts";
import type { Alerting } from "./alerting.ts";
import { dayOf, listChangedMcpTools, markTold, type McpToolView } from "./mcp-pins.ts";

/** Of more than these a message only says how many there are. */
const namedMax = 10;

export interface TellChangedToolsOptions {
  readonly team: string;
  readonly clock: Clock;
  readonly store: Pick<Store, "meta">;
  readonly alerting: Pick<Alerting, "enqueue">;
}

/** Tells people once of the tools of MCP servers that are held back since they changed, all in one message. */
export async function tellOfChangedTools({ team, clock, store, alerting }: TellChangedToolsOptions): Promise<void> {
  const changed = (await listChangedMcpTools(store.meta)).filter(({ offer }) => offer?.told === false);
  if (changed.length === 0) return;
  const nowMs = clock.now();
  // A crash between the message and its mark makes the same message again, of the same id.
  const id = `n_${hashOf(`${changed.map(({ server, tool, offer }) => `${server} ${JSON.stringify(tool)} ${offer?.hash}`).join(" ")} ${dayOf(nowMs)}`)}`;
  const [first] = changed;
  const title = changed.length === 1 ? `MCP server ${first?.server} changed its tool ${quoteName(first?.tool ?? "")}` : `${changed.length} tools of MCP servers changed`;
  const more = changed.length > namedMax ? [`and ${changed.length - namedMax} more`] : [];
  const text = ["Models are not shown what changed, and no call of it is made, until a person approves.", ...changed.slice(0, namedMax).flatMap(describe), ...more, "Next: `longhaul mcp`."].join("\n");
  await alerting.enqueue({ id, atMs: nowMs, team, agent: null, severity: "warning", title, text, data: { tools: changed.slice(0, namedMax).map(({ server, tool, hash, offer }) => ({ server, tool, pinned: hash, offered: offer?.hash ?? null })) } });
  await markTold(store.meta, changed);
}

function describe({ server, tool, offer }: McpToolView): readonly string[] {
  return [`${server} ${quoteName(tool)}:`, ...(offer?.changes ?? []).map((line) => `  ${line}`)];
}
