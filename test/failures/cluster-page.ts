import { formatDuration } from "../../src/base/duration.ts";
import { allCases } from "./all-cases.ts";
import { isOn, nameOf } from "./case.ts";
import { cellsOf, countBroken, renderTable } from "./page-table.ts";
import type { FailureRow } from "./run-case.ts";

/** With it begins what the page says of the cluster engine. */
export const clusterHeading = "## The same on a cluster";

/** A time that differs by less says nothing: chance is another one, and so are the instants at which somebody looks. */
const sameMs = 1_000;

/** The end of docs/measurements/failure.md: both engines side by side, and a line of the cluster only where it says something else. */
export function renderClusterPart(rows: readonly FailureRow[], embeddedRows: readonly FailureRow[]): readonly string[] {
  const embedded = new Map(embeddedRows.map((row) => [row.name, row]));
  const own = rows.filter(({ layer }) => layer === "cluster");
  const shared = rows.filter(({ layer }) => layer !== "cluster");
  const different = shared.filter((row) => isDifferent(row, embedded.get(row.name)));
  const missing = Map.groupBy(allCases.filter((failure) => !isOn("restate", failure)), ({ only }) => only?.because ?? "");
  return [
    clusterHeading,
    "",
    "`npm run failures -- --engine restate` runs these faults on the cluster engine, with `--only \"process/dies in verify\"` one of them. Measured with the rest of this page.",
    "",
    "The same team on Restate and PostgreSQL, both real servers from the binaries that `npm ci` brings, one of each for all faults, a database for each. The team has a virtual clock: what it waits for are rows in PostgreSQL and timers of its own.",
    "The servers know real time only; the clock stands still while they work. A process that dies loses its ways to and from both at that instant, inside a commit where the fault says so, and another one begins with what they hold.",
    "Times are upper bounds: on a machine that is busy elsewhere the clock may go on before a server has answered.",
    "",
    ...renderTotals([["embedded: SQLite", embeddedRows], ["cluster: Restate and PostgreSQL", rows]]),
    "",
    ...[...missing].map(([because, cases]) => `Not on a cluster, because ${because}: ${cases.map(nameOf).join("; ")}.`),
    "What kills servers and workers while many runs are under way, and a process at each of its commits, is in [the chaos of a cluster](reliability.md#the-cluster) and `test/cluster/kill-points.test.ts`.",
    "",
    "### Faults of the servers and of the ways to them",
    "",
    ...renderTable(own),
    "",
    "### Lines that say something else than above",
    "",
    different.length === 0
      ? `None of the ${shared.length}: the same outcome, deliveries, calls, money and decisions, and the same time to within ${formatDuration(sameMs)}.`
      : `${different.length} of ${shared.length}; in the others are the same outcome, deliveries, calls, money and decisions, and the same time to within ${formatDuration(sameMs)}.`,
    ...(different.length === 0 ? [] : ["", ...renderTable(different.map((row) => ({ ...row, fault: row.name })))]),
  ];
}

function renderTotals(engines: readonly (readonly [engine: string, rows: readonly FailureRow[]])[]): readonly string[] {
  return [
    "| engine | faults | tasks lost | effects doubled | answers verified that are not true | bills that no ledger holds | otherwise than stated |",
    "| --- | --: | --: | --: | --: | --: | --: |",
    ...engines.map(([engine, rows]) => {
      const { lost, doubled, wrong, uncounted } = countBroken(rows);
      return `| ${[engine, rows.length, lost, doubled, wrong, uncounted, rows.filter(({ surprises }) => surprises.length > 0).length].join(" | ")} |`;
    }),
  ];
}

function isDifferent(row: FailureRow, other: FailureRow | undefined): boolean {
  if (other === undefined || Math.abs(row.backMs - other.backMs) >= sameMs) return true;
  const [, , did, , ...rest] = cellsOf(row);
  const [, , otherDid, , ...otherRest] = cellsOf(other);
  return withoutTimes(did) !== withoutTimes(otherDid) || JSON.stringify(rest) !== JSON.stringify(otherRest);
}

/** "waiting(retry) 1 min" is how long it took, too. */
function withoutTimes(did: string | undefined): string | undefined {
  return did?.replaceAll(/\) \d[^,]*/g, ")");
}
