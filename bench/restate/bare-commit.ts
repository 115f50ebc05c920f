import { systemClock } from "../../src/base/clock.ts";
import type { Place } from "./place.ts";

const insertStep = `INSERT INTO bench_journal (run, activation, number, kind, name, occurrence, attempt, started_at_ms, completed_at_ms, outcome)
  VALUES ($1, 1, $2, 'code', 'count', $2, 1, $3, $3, $4) ON CONFLICT (run, kind, name, occurrence) DO NOTHING`;
const insertKey = "INSERT INTO bench_key (key, task_id, expires_at_ms) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING";
let runs = 0;

/** Makes transactions that write what a guard step writes: its row of the journal and a key, into tables like those. */
export class BareCommits {
  readonly #db: Place["db"];

  private constructor(db: Place["db"]) {
    this.#db = db;
  }

  static async open({ db }: Place): Promise<BareCommits> {
    await db.exec("CREATE TABLE IF NOT EXISTS bench_journal (LIKE lh_journal INCLUDING ALL); CREATE TABLE IF NOT EXISTS bench_key (LIKE lh_key INCLUDING ALL)");
    return new BareCommits(db);
  }

  /** One by one, each for another step of the run that this returns. */
  begin(): (number: number) => Promise<void> {
    const run = ++runs;
    return async (number) => {
      await this.#db.transaction(async (tx) => {
        const atMs = systemClock.now();
        await tx.run(insertStep, run, number, atMs, `{"ok":true,"value":${number}}`);
        await tx.run(insertKey, `bench ${run} ${number}`, "t_01JBENCHBENCHBENCHBENCHBENCH", atMs);
      });
    };
  }
}
