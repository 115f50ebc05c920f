import { formatDuration } from "../../base/duration.ts";
import { shellWord } from "../../base/shell-word.ts";
import { dependencyOfCallee } from "../../policy/callee-dependency.ts";
import type { Manifest } from "../../runtime/manifest.ts";
import { type BreakerView, listBreakers } from "../../runtime/team-breakers.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import { openControl } from "../open-control.ts";
import { withView } from "../open-view.ts";
import { printableLine } from "../printable.ts";
import { type Column, formatTable } from "../table.ts";

/** Lists what was ever held back: models, tools, MCP servers and agents that others call. */
export function runBreakers(context: CommandContext): Promise<ExitCode> {
  return withView(context, async (view) => {
    const { output, clock } = context;
    const breakers = await listBreakers(view.store.meta, clock);
    for (const { untilAtMs, ...breaker } of breakers) output.data({ ...breaker, until: untilAtMs === null ? null : new Date(untilAtMs).toISOString() });
    if (breakers.length === 0) output.say("Nothing was ever held back: every model, tool, MCP server and agent is called.");
    else output.say(...formatTable(columnsFor(clock.now(), output.style), breakers, { columns: output.columns, styleTitle: (text) => output.style("dim", text) }));
    return 0;
  });
}

/** Keeps a dependency from being called for a reason, or has it called again (null). */
export async function runBreakerDecision(context: CommandContext, dependency: string, isolateFor: string | null): Promise<ExitCode> {
  const before = await (await openControl(context)).decideBreaker(dependency, isolateFor);
  const warning = isolateFor === null || before !== "closed" ? null : await withView(context, async (view) => describeStranger(await view.manifest(), dependency));
  if (warning !== null) context.output.warn(warning);
  context.output.data({ dependency, before, state: isolateFor === null ? "closed" : "isolated" });
  if (isolateFor === null) context.output.say(`${dependency} is called again (it was ${before}). Runs that wait for that come back now; those that wait for the end of an outage, within 5 min.`);
  else context.output.say(`${dependency} is not called from now on (it was ${before}); runs that need it wait. Have it called again with: longhaul breakers ${shellWord(dependency)} --close`);
  return 0;
}

/** Says that no agent declares this name: it may be misspelt. Null when one does, or nobody knows. */
export function describeStranger(manifest: Manifest | null, dependency: string): string | null {
  if (manifest === null || !manifest.workers.every(({ dependencies }) => dependencies !== undefined)) return null;
  const declared = [...new Set(manifest.workers.flatMap(({ dependencies = [] }) => dependencies)), ...manifest.workers.map((worker) => dependencyOfCallee(worker))];
  if (declared.includes(dependency)) return null;
  const shown = declared.length === 0 ? "none" : `${declared.slice(0, shownMax).join(", ")}${declared.length > shownMax ? `, and ${declared.length - shownMax} more` : ""}`;
  return printableLine(`No agent of ${manifest.team} declares ${dependency}: nothing is held back unless code uses it under exactly this name. Declared: ${shown}.`);
}

const shownMax = 20;

function columnsFor(nowMs: number, style: CommandContext["output"]["style"]): readonly Column<BreakerView>[] {
  return [
    { title: "dependency", value: ({ dependency }) => printableLine(dependency) },
    { title: "state", value: ({ state }) => style(state === "closed" ? "green" : state === "half-open" ? "yellow" : "red", state) },
    { title: "", value: (breaker) => printableLine(whatNext(breaker, nowMs)) },
  ];
}

function whatNext({ state, untilAtMs, reason }: BreakerView, nowMs: number): string {
  if (state === "open") return untilAtMs === null || untilAtMs <= nowMs ? "tried with the next call" : `tried again in ${formatDuration(untilAtMs - nowMs)}`;
  return state === "isolated" ? `by hand: ${reason ?? ""}` : state === "half-open" ? "being tried" : "called";
}
