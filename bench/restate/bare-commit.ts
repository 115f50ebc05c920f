import { systemClock } from "../../src/base/clock.ts";
import type { Place } from "./place.ts";

const insertStep = `INSERT INTO bench_journal (run, activation, number, kind, name, occurrence, attempt, started_at_ms, completed_at_ms, outcome)
  VALUES ($1, 1, $2, 'code', 'count', $2, 1, $3, $3, $4) ON CONFLICT (run, kind, name, occurrence) DO NOTHING`;
const insertMessage = `INSERT INTO bench_outbox (id, notifier, notification, at_ms, expires_at_ms, state, next_at_ms) VALUES ($1, 'bench', $2, $3, $3, 'delivered', $3)
  ON CONFLICT (id) DO NOTHING`;
const insertTask = `INSERT INTO bench_task (id, agent, priority, not_before_at_ms, deadline_at_ms, depth, source, status, created_at_ms, started_at_ms, status_since_ms, open_since_ms, run_id, recoveries, recoveries_without_progress, input)
  VALUES ($1, 'bench', 0, $2, $2, 0, 'bench', 'running', $2, $2, $2, $2, $1, 0, 0, '{}')`;
const insertRun = "INSERT INTO bench_run (id, task_id, number, agent_version, started_at_ms, begun_at_ms, recoveries, format, loop_version) VALUES ($1, $1, 1, '1', $2, $2, 0, 1, 1)";
const insertTold = "INSERT INTO bench_told (run, activation, first, last, steps) VALUES ($1, 1, 1, $2, $3)";
const endTask = "UPDATE bench_task SET status = 'done', ended_at_ms = $2, status_since_ms = $2, ended_as = 'done' WHERE id = $1";
/** What a step queues for people, on both sides. */
export const message = { id: "n_bench", atMs: 0, team: "bench", agent: null, severity: "info", title: "bench", text: "bench", data: {} } as const;
let runs = 0;

/** Makes transactions that write what a guard step writes: its row of the journal and a message to people, into tables like those. */
export class BareCommits {
  readonly #db: Place["db"];

  private constructor(db: Place["db"]) {
    this.#db = db;
  }

  static async open({ db }: Place): Promise<BareCommits> {
    await db.exec(["journal", "outbox", "task", "run", "told"].map((name) => `CREATE TABLE IF NOT EXISTS bench_${name} (LIKE lh_${name} INCLUDING ALL)`).join(";"));
    return new BareCommits(db);
  }

  /** A run with its task, and when `execute` is over what its steps came to: two transactions. */
  async keep(execute: () => Promise<readonly string[]>): Promise<void> {
    const run = ++runs;
    const id = `t_bench_${run}`;
    await this.#db.transaction(async (tx) => {
      const atMs = systemClock.now();
      await tx.run(insertTask, id, atMs);
      await tx.run(insertRun, id, atMs);
    });
    const steps = await execute();
    await this.#db.transaction(async (tx) => {
      await tx.run(insertTold, run, steps.length, `[${steps.join(",")}]`);
      await tx.run(endTask, id, systemClock.now());
    });
  }

  /** One by one, each for another step of the run that this returns. */
  begin(): (number: number) => Promise<void> {
    const run = ++runs;
    return async (number) => {
      await this.#db.transaction(async (tx) => {
        const atMs = systemClock.now();
        await tx.run(insertStep, run, number, atMs, `{"ok":true,"value":${number}}`);
        await tx.run(insertMessage, `bench ${run} ${number}`, JSON.stringify(message), atMs);
      });
    };
  }
}
