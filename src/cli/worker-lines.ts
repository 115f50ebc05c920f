import { formatDuration } from "../base/duration.ts";
import { countWorkers, type TeamWorker } from "../runtime/team-workers.ts";
import type { Output } from "./output.ts";
import { printableLine } from "./printable.ts";
import { formatTable } from "./table.ts";

const liveShownMax = 20;
const goneShownMax = 5;

/** Whoever has the duties and those in trouble come first, so that they are seen of many. No lines, where there is no worker. */
export function workerTable(workers: readonly TeamWorker[], { columns, style }: Pick<Output, "columns" | "style">): readonly string[] {
  if (workers.length === 0) return [];
  const live = workers.filter(({ state }) => state === "live").toSorted((a, b) => rank(a) - rank(b));
  const gone = workers.filter(({ state }) => state === "gone");
  const shown = [...live.slice(0, liveShownMax), ...gone.slice(0, goneShownMax)];
  const table = formatTable<TeamWorker>(
    [
      { title: "worker", value: ({ name }) => printableLine(name) },
      { title: "address", value: ({ address }) => printableLine(address) },
      { title: "seen", value: ({ silentMs }) => `${formatDuration(silentMs)} ago`, align: "right" },
      { title: "duties", value: ({ hasDuties }) => (hasDuties ? "yes" : "") },
      { title: "state", value: ({ state, trouble }) => style(trouble !== null ? "red" : state === "gone" ? "yellow" : "green", trouble === null ? state : printableLine(trouble)) },
    ],
    shown,
    { columns, styleTitle: (text) => style("dim", text) },
  );
  const more = [[live.length - liveShownMax, "live"], [gone.length - goneShownMax, "gone"]] as const;
  const rest = more.flatMap(([count, state]) => (count > 0 ? [`${count} more ${state}`] : []));
  return rest.length === 0 ? table : [...table, style("dim", `and ${rest.join(", ")}: longhaul ps --json`)];
}

function rank({ hasDuties, trouble }: TeamWorker): number {
  return hasDuties ? 0 : trouble !== null ? 1 : 2;
}

const troubledNamedMax = 3;

/** "3 workers live. 1 of them does not reach Restate: host, pid 1: …" */
export function describeWorkers(workers: readonly TeamWorker[]): string {
  const { live, gone, troubled } = countWorkers(workers);
  const named = troubled.slice(0, troubledNamedMax).map(({ name, trouble }) => `${name}: ${trouble}`);
  const more = troubled.length > troubledNamedMax ? ` And ${troubled.length - troubledNamedMax} more: longhaul ps` : "";
  const trouble = troubled.length === 0 ? "" : ` ${troubled.length} of them ${troubled.length === 1 ? "does" : "do"} not reach Restate: ${named.join(" ")}${more}`;
  const last = workers.find(({ state }) => state === "gone");
  const goneText = last === undefined ? "" : ` ${gone} ${gone === 1 ? "is" : "are"} gone, last seen ${formatDuration(last.silentMs)} ago: ${last.name}${gone === 1 ? "." : "; …"}`;
  return printableLine(`${live === 0 ? "No worker lives." : `${live} ${live === 1 ? "worker lives" : "workers live"}.`}${trouble}${goneText}`);
}
