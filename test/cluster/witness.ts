import { sleep, systemClock } from "../../src/base/clock.ts";
import type { PostgresDatabase } from "../../src/db/postgres.ts";
import { queryRestate } from "../../src/engine/restate/fixture/restate-server.ts";

/** Notes what became of each run while faults happen: for whoever looks for the cause of one that stood still. */
export interface Witness {
  /** When runs were seen to wait, in order: they have gone on until there. */
  readonly rests: readonly Rest[];
  /** What was seen of a run, in order: where its task stood, what Restate did with its calls, what it ended of its steps. */
  tell(runId: string, window: { readonly fromMs: number; readonly untilMs: number }): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface Rest {
  readonly runId: string;
  readonly atMs: number;
  /** When it was seen to wait no more: then it is to go on, and to be in line for a slot is not that. */
  readonly wokenAtMs: number | null;
}

interface Seen {
  readonly atMs: number;
  readonly what: string;
}

const lookEveryMs = 250;
const askEveryMs = 1_000;
/** What is told before a time begins and after it has ended. */
const marginMs = 2_000;

export function watchRuns(db: PostgresDatabase, admin: string): Witness {
  const seen = new Map<string, Seen[]>();
  const rests: Rest[] = [];
  const stopping = new AbortController();
  /** Of each run the last one, while it waits. */
  const resting = new Map<string, number>();
  const note = (runId: string, topic: string, what: string): void => {
    const list = seen.get(runId) ?? [];
    seen.set(runId, list);
    const text = `${topic}: ${what}`;
    if (list.findLast((one) => one.what.startsWith(`${topic}:`))?.what === text) return;
    list.push({ atMs: systemClock.now(), what: text });
  };
  const noteRest = (runId: string, isWaiting: boolean): void => {
    const place = resting.get(runId);
    const rest = place === undefined ? undefined : rests[place];
    if (isWaiting && place === undefined) resting.set(runId, rests.push({ runId, atMs: systemClock.now(), wokenAtMs: null }) - 1);
    if (isWaiting || place === undefined || rest === undefined) return;
    rests[place] = { ...rest, wokenAtMs: systemClock.now() };
    resting.delete(runId);
  };
  const look = async (): Promise<void> => {
    const tasks = await db.all("SELECT run_id, status, waiting_reason, activation, attempt, recoveries_without_progress, suspended, claim FROM lh_task WHERE run_id IS NOT NULL AND (ended_at_ms IS NULL OR status_since_ms > $1)", systemClock.now() - 4 * lookEveryMs);
    for (const { run_id: runId, ...task } of tasks) {
      note(String(runId), "task", Object.values(task).map(String).join(" "));
      noteRest(String(runId), task["status"] === "waiting");
    }
  };
  const ask = async (): Promise<void> => {
    for (const { target, ...invocation } of await queryRestate(admin, "SELECT target, status, retry_count, last_failure, next_retry_at FROM sys_invocation WHERE status <> 'completed'")) {
      const runId = /\/(?<runId>r[^./]*)\.\d+\//.exec(String(target))?.groups?.["runId"];
      if (runId !== undefined) note(runId, "Restate", `${String(target)} ${Object.values(invocation).map(String).join(" ")}`);
    }
  };
  const watching = Promise.all([look, ask].map(async (one) => {
    while (!stopping.signal.aborted) {
      await one().catch(() => undefined); // It is away: it is looked for again.
      await sleep(systemClock, one === ask ? askEveryMs : lookEveryMs, stopping.signal).catch(() => undefined); // Stopped.
    }
  }));
  return {
    rests,
    async tell(runId, { fromMs, untilMs }) {
      const steps = await db.all("SELECT steps FROM lh_told JOIN lh_run ON lh_run.serial = run WHERE lh_run.id = $1 ORDER BY first", runId);
      const inWindow = (seen.get(runId) ?? []).filter(({ atMs }) => atMs > fromMs - marginMs && atMs < untilMs + marginMs);
      return [...inWindow.map(({ atMs, what }) => `${atMs - fromMs} ms: ${what}`), ...steps.map((row) => `told: ${String(row["steps"])}`)];
    },
    async close() {
      stopping.abort();
      await watching;
    },
  };
}
