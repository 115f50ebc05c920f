import { failureBugs } from "../oracle/failure-bugs.ts";
import { renderClusterPart } from "./cluster-page.ts";
import { countBroken, renderTable } from "./page-table.ts";
import type { FailureRow } from "./run-case.ts";

export interface PageFacts {
  /** "2026-11-26". */
  readonly date: string;
  /** "Node 24.21". */
  readonly versions: string;
}

/** docs/measurements/failure.md. */
export function renderPage(rows: readonly FailureRow[], clusterRows: readonly FailureRow[], { date, versions }: PageFacts): string {
  const layers = [...Map.groupBy(rows, ({ layer }) => layer)];
  const { lost, doubled, wrong, uncounted } = countBroken(rows);
  return `${[
    "# What each failure does",
    "",
    `${date}, ${versions}. Made by \`npm run failures -- --write\`; \`npm run failures -- --only "process/dies in verify"\` runs one line, \`--seed 7\` all of them with another truth and other chance.`,
    "",
    `${rows.length} faults, each in a team of its own: an agent looks a seeded fact up (\`read\`), delivers it (\`once\`, with \`reconcile\`) to a sink that never deduplicates, and hands both in; \`verify\` asks the source and the sink.`,
    "The team is the real one, on a real SQLite file, under a virtual clock ([a cluster](#the-same-on-a-cluster) is below); the model is reached through the real provider libraries, answered by the provider simulator. Whether a line is right is judged by what is outside of the team:",
    `**${lost} tasks lost, ${doubled} effects duplicated, ${wrong} answers verified that are not true, ${uncounted} bills that no ledger holds.** Each line also has a stated outcome, time and number of calls; the command ends with 1 when one is missed.`,
    "",
    "*Over after* is virtual time from the order to its end, or to the instant from which only a person can help. Without a fault it takes no time and 3 calls. *Money* is what the ledger counts: a call that broke off counts in full,",
    "since nobody knows its bill. *approval*: a person has to allow the delivery. *chain*: a second model stands behind the first. *limiter*: twelve agents with an order each, on one account. *compensation*: a flow takes a slot, registers",
    "what frees it, and calls the agent; whoever is not done holds no slot, and no slot is freed twice. *callee*: a flow calls the agent for eleven orders, of which ten die. A name in parentheses is the wire: Responses and Chat are OpenAI's, all others Anthropic Messages.",
    ...layers.flatMap(([layer, group]) => ["", `## ${layer}`, "", ...renderTable(group)]),
    "",
    ...renderClusterPart(clusterRows, rows),
    "",
    "## Planted bugs",
    "",
    `Whether a wrong line would be seen: \`npm run oracle -- --of failures\` plants ${failureBugs.length} bugs one at a time in a copy of the tree (a \`once\` call that is made again blindly, a \`verify\` that is not heeded, an answer that broke off and costs nothing,`,
    "metadata that counts as content, a quota that is taken for a rate limit, …), runs the tests of this page, and fails when one is missed.",
  ].join("\n")}\n`;
}
