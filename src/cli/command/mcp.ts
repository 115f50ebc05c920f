import { LonghaulError } from "../../base/error.ts";
import { quote } from "../../base/quote.ts";
import { shellWord } from "../../base/shell-word.ts";
import { toMcpToolView } from "../../http/mcp-tool-view.ts";
import { listMcpTools, type McpApproval, type McpToolView } from "../../runtime/mcp-pins.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import { openControl } from "../open-control.ts";
import { withView } from "../open-view.ts";
import type { Output } from "../output.ts";
import { printableLine } from "../printable.ts";
import { type Column, formatTable } from "../table.ts";

/** So much of a hash is shown: enough to say which definition was seen. */
const hashLength = 12;

/** Lists the tools of MCP servers that the team ever saw. Those that changed come with what changed. */
export function listMcp(context: CommandContext, server?: string): Promise<ExitCode> {
  return withView(context, async (view) => {
    const { output } = context;
    const tools = await listMcpTools(view.store.meta, server);
    for (const tool of tools) output.data({ ...toMcpToolView(tool) });
    if (tools.length === 0) output.say(server === undefined ? "No tool of an MCP server was seen yet: they are when an agent first uses one." : `No tool of an MCP server ${printableLine(server)} was seen yet.`);
    else output.say(...formatTable(columnsFor(output.style), tools, { columns: output.columns, styleTitle: (text) => output.style("dim", text) }));
    for (const tool of tools.filter(({ state }) => state === "changed")) output.quote("", ...linesOf(tool, output.placed));
    return 0;
  });
}

/** One tool in full: what it may say, and what it says instead. */
export function showMcpTool(context: CommandContext, server: string, tool: string): Promise<ExitCode> {
  return withView(context, async (view) => {
    const { output } = context;
    const found = (await listMcpTools(view.store.meta, server)).find((each) => each.tool === tool);
    if (found === undefined) throw new LonghaulError("OPTION_INVALID", `The team has not seen a tool ${JSON.stringify(tool)} of an MCP server ${JSON.stringify(server)}. See those that it has with: longhaul mcp`);
    output.data({ ...toMcpToolView(found) });
    output.quote(...quote(found.definition, 2).split("\n"));
    if (found.offer !== null) output.quote("", ...linesOf(found, output.placed), "", "In full, as it is now:", ...quote(found.offer.definition, 2).split("\n"));
    return 0;
  });
}

/** What a tool says now may be shown to models. */
export async function runMcpApproval(context: CommandContext, approval: McpApproval): Promise<ExitCode> {
  const hash = await (await openControl(context)).approveMcpTool(approval);
  const { server, tool } = approval;
  context.output.data({ server, tool, state: "pinned", hash });
  context.output.say(`${printableLine(tool)} of MCP server ${server} is approved as it is now (${hash.slice(0, hashLength)}). A running team shows it to models within 5 s.`);
  return 0;
}

function columnsFor(style: CommandContext["output"]["style"]): readonly Column<McpToolView>[] {
  return [
    { title: "server", value: ({ server }) => printableLine(server) },
    { title: "tool", value: ({ tool }) => printableLine(tool) },
    { title: "state", value: ({ state }) => style(state === "pinned" ? "green" : "red", state) },
    { title: "since", value: ({ sinceMs, offer }) => new Date(offer?.atMs ?? sinceMs).toISOString() },
    { title: "approved by", value: ({ by }) => printableLine(by) },
  ];
}

/** What a server wrote is quoted, so that none of it steers a terminal or passes for a line of ours. */
function linesOf({ server, tool, offer }: McpToolView, placed: Output["placed"]): readonly string[] {
  if (offer === null) return [];
  const command = placed(`longhaul mcp ${server} ${shellWord(tool)} --approve ${offer.hash.slice(0, hashLength)}`);
  return [`${printableLine(tool)} of MCP server ${server} is held back since it changed:`, ...offer.changes.map((line) => `  ${printableLine(line)}`), `Approve it with: ${command}`];
}
