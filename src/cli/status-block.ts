import { formatUsd } from "../base/money.ts";
import type { Output } from "./output.ts";
import type { AgentStatus, TeamStatus } from "./status-board.ts";
import { cutToWidth, textWidth } from "./text-width.ts";

export interface StatusBlockOptions {
  readonly team: string;
  readonly address: string;
  /** "drains", "stopped": what the team as a whole does when it does not simply run. */
  readonly phase: string | null;
  readonly columns: number;
  readonly style: Output["style"];
  readonly placed: Output["placed"];
}

const agentLinesMax = 4;
const gap = "   ";

/** The few lines at the bottom of the live view, none wider than the terminal. */
export function formatStatusBlock(status: TeamStatus, { team, address, phase, columns, style, placed }: StatusBlockOptions): readonly string[] {
  const { running, queued, waiting, tokensToday, costMicroUsdToday, isSimulated } = status;
  const width = Math.max(1, columns - 1);
  const tasks = `${running} running · ${queued} queued · ${waiting} waiting`;
  const spent = `${tokensToday.toLocaleString("en-US")} tokens · ${formatUsd(costMicroUsdToday)} today${isSimulated ? " (simulated)" : ""}`;
  const head = [phase === null ? team : `${team} ${phase}`, tasks, spent, address].join(gap);
  return [style("dim", "─".repeat(width)), style("bold", cutToWidth(head, width)), ...formatAgents(status.agents, width, { style, placed })];
}

/** Those that need a look first. What does not fit is counted. */
function formatAgents(agents: readonly AgentStatus[], width: number, { style, placed }: Pick<Output, "style" | "placed">): readonly string[] {
  const ordered = agents.toSorted((a, b) => rank(a) - rank(b));
  const lines: { text: string; width: number }[] = [];
  let shown = 0;
  for (const agent of ordered) {
    const text = cutToWidth(`${agent.name} ${stateOf(agent)}`, width);
    const styled = text.length < agent.name.length ? text : `${agent.name}${style(styleOf(agent), text.slice(agent.name.length))}`;
    const line = lines.at(-1);
    if (line !== undefined && line.width + gap.length + textWidth(text) <= width) {
      line.text += gap + styled;
      line.width += gap.length + textWidth(text);
    } else if (lines.length < agentLinesMax) lines.push({ text: styled, width: textWidth(text) });
    else break;
    shown++;
  }
  const rest = ordered.length - shown;
  return [...lines.map(({ text }) => text), ...(rest > 0 ? [style("dim", cutToWidth(placed(`and ${rest} more: longhaul ps`), width))] : [])];
}

function stateOf({ state, running }: AgentStatus): string {
  return running > 1 ? `${state} ×${running}` : state;
}

function rank({ isBad, state }: AgentStatus): number {
  if (isBad) return 0;
  return state === "idle" ? 2 : 1;
}

function styleOf({ isBad, state }: AgentStatus): Parameters<Output["style"]>[0] {
  if (isBad) return "red";
  if (state === "working") return "green";
  return state === "idle" ? "dim" : "yellow";
}
