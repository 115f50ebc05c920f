import type { Migration } from "../../db/migration.ts";
import { payloadMigration } from "../../db/payload.ts";

/**
 * Tables of the embedded engine. Numbers named `run` are lh_run.serial: rows that are written at each step refer to their run by a number, and new rows of
 * the journal go to its end (docs/decisions/2026-11-24-journal-layout.md).
 * lh_task: one row a task, what may be large at its end. lh_run: its runs; `format` is the version of the journal, `loop_version` that of
 * the run loop, `mismatch` why it was parked; a run that was made from another one names it, and those whose chance and idempotency keys it has; it has that one's `started_at_ms`, and a `begun_at_ms` of its own when it is a fork. lh_journal: completed steps, append-only;
 * `position` is the order of completion. lh_wait: what a run waits for. lh_signal: signals that arrived, kept after use so that an id counts once. lh_seed: outcomes that a task's next run is served. lh_owner: one row.
 */
export const engineMigrations: readonly Migration[] = [
  payloadMigration,
  {
    name: "0001-engine",
    sql: `
      CREATE TABLE lh_task (
        serial INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent TEXT NOT NULL, key TEXT, priority INTEGER NOT NULL, not_before_at_ms INTEGER NOT NULL,
        deadline_at_ms INTEGER NOT NULL, depth INTEGER NOT NULL, source TEXT NOT NULL, doubts TEXT, status TEXT NOT NULL, waiting_reason TEXT,
        created_at_ms INTEGER NOT NULL, started_at_ms INTEGER, ended_at_ms INTEGER, status_since_ms INTEGER NOT NULL, open_since_ms INTEGER NOT NULL,
        run_id TEXT, parent_run_id TEXT,
        recoveries INTEGER NOT NULL, recoveries_without_progress INTEGER NOT NULL, out_of_memory_without_progress INTEGER NOT NULL, active_ms INTEGER NOT NULL, input TEXT NOT NULL, end TEXT
      ) STRICT;
      CREATE INDEX lh_task_queue ON lh_task (agent, (run_id IS NOT NULL) DESC, priority DESC, created_at_ms) WHERE status = 'queued';
      CREATE INDEX lh_task_not_before ON lh_task (status, not_before_at_ms) WHERE status = 'queued' AND not_before_at_ms > 0;
      CREATE INDEX lh_task_deadline ON lh_task (deadline_at_ms) WHERE ended_at_ms IS NULL;
      CREATE INDEX lh_task_parent ON lh_task (parent_run_id) WHERE parent_run_id IS NOT NULL;
      CREATE INDEX lh_task_status ON lh_task (status, created_at_ms);
      -- Two, so that tasks that come and go touch one small index, and the large one only when they end.
      CREATE INDEX lh_task_agent_open ON lh_task (agent, status, created_at_ms) WHERE ended_at_ms IS NULL;
      CREATE INDEX lh_task_agent_ended ON lh_task (agent, status, created_at_ms) WHERE ended_at_ms IS NOT NULL;

      CREATE TABLE lh_run (
        serial INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, task_id TEXT NOT NULL, number INTEGER NOT NULL, agent_version TEXT NOT NULL, started_at_ms INTEGER NOT NULL, begun_at_ms INTEGER NOT NULL,
        recoveries INTEGER NOT NULL, parked_version TEXT, mismatch TEXT, format INTEGER NOT NULL, loop_version INTEGER NOT NULL,
        from_run_id TEXT, random_run_id TEXT, key_run_id TEXT
      ) STRICT;
      CREATE INDEX lh_run_task ON lh_run (task_id, number);

      CREATE TABLE lh_journal (
        position INTEGER PRIMARY KEY, run INTEGER NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, occurrence INTEGER NOT NULL,
        attempt INTEGER NOT NULL, started_at_ms INTEGER NOT NULL, completed_at_ms INTEGER NOT NULL, outcome TEXT NOT NULL,
        UNIQUE (run, kind, name, occurrence)
      ) STRICT;

      CREATE TABLE lh_wait (
        run INTEGER NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, occurrence INTEGER NOT NULL, reason TEXT NOT NULL,
        since_at_ms INTEGER NOT NULL, due_at_ms INTEGER, signal TEXT, child_task_id TEXT,
        PRIMARY KEY (run, kind, name, occurrence)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX lh_wait_due ON lh_wait (due_at_ms) WHERE due_at_ms IS NOT NULL;
      CREATE INDEX lh_wait_child ON lh_wait (child_task_id) WHERE child_task_id IS NOT NULL;

      CREATE TABLE lh_signal (
        position INTEGER PRIMARY KEY, run INTEGER NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, consumed INTEGER NOT NULL, payload TEXT NOT NULL,
        UNIQUE (run, id)
      ) STRICT;

      CREATE TABLE lh_seed (
        task_id TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, occurrence INTEGER NOT NULL, started_at_ms INTEGER, completed_at_ms INTEGER,
        outcome TEXT NOT NULL, PRIMARY KEY (task_id, kind, name, occurrence)
      ) STRICT;

      CREATE TABLE lh_owner (
        one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, pid INTEGER, start_time TEXT NOT NULL, boot_id TEXT NOT NULL,
        pid_namespace TEXT NOT NULL, purpose TEXT NOT NULL, lease_ms INTEGER NOT NULL, renewed_at_ms INTEGER NOT NULL, renewed_monotonic_ms INTEGER NOT NULL
      ) STRICT;
    `,
  },
];
