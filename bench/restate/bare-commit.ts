import { systemClock } from "../../src/base/clock.ts";
import type { Place } from "./place.ts";

const insertStep = `INSERT INTO bench_journal (run, activation, number, kind, name, occurrence, attempt, started_at_ms, completed_at_ms, outcome)
  VALUES ($1, 1, $2, 'code', 'count', $2, 1, $3, $3, $4) ON CONFLICT (run, kind, name, occurrence) DO NOTHING`;
const insertMessage = `INSERT INTO bench_outbox (id, notifier, notification, at_ms, expires_at_ms, state, next_at_ms) VALUES ($1, 'bench', $2, $3, $3, 'delivered', $3)
  ON CONFLICT (id) DO NOTHING`;
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
    await db.exec("CREATE TABLE IF NOT EXISTS bench_journal (LIKE lh_journal INCLUDING ALL); CREATE TABLE IF NOT EXISTS bench_outbox (LIKE lh_outbox INCLUDING ALL)");
    return new BareCommits(db);
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
