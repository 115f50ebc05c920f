import type { Receipt } from "longhaul/simulator";

/** Reads the team's data: `longhaul sql`, or the data file or database itself. */
export type Query = (sql: string) => Promise<readonly Readonly<Record<string, unknown>>[]>;

/** What the journal held at one instant. */
export interface JournalState {
  /** Completed model steps, by the idempotency key that their calls carried. */
  readonly modelSteps: ReadonlySet<string>;
  /** Every task there was, with its status. */
  readonly tasks: ReadonlyMap<string, { readonly agent: string; readonly status: string }>;
}

export async function readJournal(query: Query): Promise<JournalState> {
  const [steps, tasks] = await Promise.all([
    query("SELECT lh_run.id || '/' || kind || '/' || name || '/' || occurrence AS key FROM lh_journal JOIN lh_run ON serial = run WHERE kind = 'model' LIMIT 100000"),
    query("SELECT id, agent, status FROM lh_task LIMIT 100000"),
  ]);
  return {
    modelSteps: new Set(steps.map((row) => String(row["key"]))),
    tasks: new Map(tasks.map((row) => [String(row["id"]), { agent: String(row["agent"]), status: String(row["status"]) }])),
  };
}

/** Model steps that the journal held, and whose call reached the provider again after that instant. */
export function findPaidTwice(journal: JournalState, receipts: readonly Receipt[], sinceMs: number): readonly string[] {
  const later = receipts.filter(({ atMs, idempotencyKey }) => atMs >= sinceMs && idempotencyKey !== null && journal.modelSteps.has(idempotencyKey));
  return [...new Set(later.map(({ idempotencyKey }) => idempotencyKey ?? ""))];
}

/** Calls that the provider had answered in full when the team was killed before it could write the answer down: made again, and the only ones that may be. */
export function findUnwritten(journal: JournalState, receipts: readonly Receipt[], sinceMs: number): readonly string[] {
  const answered = receipts.filter(({ atMs, outcome }) => atMs < sinceMs && outcome === "completed").flatMap(({ idempotencyKey }) => (idempotencyKey === null ? [] : [idempotencyKey]));
  return [...new Set(answered)].filter((key) => !journal.modelSteps.has(key));
}

/** Tasks that were there before and are gone, or did not come to a good end. */
export function findLostTasks(before: JournalState, after: JournalState): readonly string[] {
  return [...before.tasks].filter(([id]) => after.tasks.get(id)?.status !== "done").map(([id, { agent }]) => `${agent} ${id}`);
}

/** How often each release has a section of its own in these digests. */
export function countSections(releases: readonly { readonly package: string; readonly version: string }[], digests: Iterable<string>): ReadonlyMap<string, number> {
  const headings = [...digests].flatMap((text) => text.split("\n")).filter((line) => line.startsWith("## "));
  return new Map(releases.map((release) => [`${release.package} ${release.version}`, headings.filter((line) => line === `## ${release.package} ${release.version}`).length]));
}

/** How often each file was moved to its place, by the journal: one for each digest. */
export async function countMoves(query: Query): Promise<ReadonlyMap<string, number>> {
  const rows = await query("SELECT tool_args FROM lh_record WHERE event_type = 'tool_call' AND tool_name = 'move_file' AND result = 'success' LIMIT 100000");
  const destinations = rows.map((row) => (JSON.parse(String(row["tool_args"])) as { readonly destination: string }).destination);
  return new Map([...new Set(destinations)].map((destination) => [destination, destinations.filter((one) => one === destination).length]));
}
