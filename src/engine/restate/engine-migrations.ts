import type { Migration } from "../../db/migration.ts";
import { payloadMigrations } from "../../db/postgres-payload.ts";

/**
 * Tables of the engine in PostgreSQL. What a run does between two waits is journaled by Restate; here is what must outlive that: tasks, runs, completed steps, waits, signals.
 * lh_task.activation counts the times that a run was given a slot, `attempt` the invocations of the current one: together they fence what an earlier one still writes. `claim` is the call that gave the slot, and from the first attempt on the one that began the attempt, and its worker (exhausted.ts);
 * `suspended` says that Restate took the attempt out of memory by itself, where it cannot answer while it runs, that it waits for its turn, or that its call was cut off by a link that flaps: the next one is no recovery.
 * `code_version` is that of the code that began the activation; another one does not go on with it.
 * lh_journal: completed steps that others may see before code is told of them, and those that were copied. `position` is the order in which they were stored.
 * lh_told: what code was told, in that order, many steps a row: `steps` is a JSON list from place `first` to place `last` of the run (step-text.ts); of a row of lh_journal it holds the identity alone.
 * lh_request: what was asked of a task and was done, so that it is not done again, nor refused, when the answer to its COMMIT is lost. Also with which worker a crash was counted of it.
 * lh_worker: the workers that take calls, where Restate finds each, and why it does not reach Restate. One that was killed keeps its row for a day.
 * lh_wait.awakeable is what wakes an activation that is still in memory. lh_bell: awakeables that are to be rung, until they were.
 */
export const restateEngineMigrations: readonly Migration[] = [
  ...payloadMigrations,
  {
    name: "0001-engine",
    sql: `
CREATE TABLE lh_task (
  serial BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent TEXT NOT NULL, key TEXT, priority INTEGER NOT NULL, not_before_at_ms BIGINT NOT NULL,
  deadline_at_ms BIGINT NOT NULL, depth INTEGER NOT NULL, source TEXT NOT NULL, doubts TEXT, status TEXT NOT NULL, waiting_reason TEXT,
  created_at_ms BIGINT NOT NULL, started_at_ms BIGINT, ended_at_ms BIGINT, status_since_ms BIGINT NOT NULL, open_since_ms BIGINT NOT NULL,
  run_id TEXT, parent_run_id TEXT, recoveries INTEGER NOT NULL, recoveries_without_progress INTEGER NOT NULL, out_of_memory_without_progress INTEGER NOT NULL DEFAULT 0,
  activation INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL DEFAULT 0, suspended BOOLEAN NOT NULL DEFAULT false, claim TEXT, code_version TEXT, active_ms BIGINT NOT NULL DEFAULT 0, input TEXT NOT NULL, ended_as TEXT
);
CREATE INDEX lh_task_queue ON lh_task (agent, (run_id IS NOT NULL) DESC, priority DESC, created_at_ms, serial) WHERE status = 'queued';
CREATE INDEX lh_task_not_before ON lh_task (not_before_at_ms) WHERE status = 'queued';
CREATE INDEX lh_task_running ON lh_task (agent) WHERE status = 'running';
CREATE INDEX lh_task_deadline ON lh_task (deadline_at_ms) WHERE ended_at_ms IS NULL;
CREATE INDEX lh_task_parent ON lh_task (parent_run_id) WHERE parent_run_id IS NOT NULL;
CREATE INDEX lh_task_status ON lh_task (status, created_at_ms, serial);
CREATE INDEX lh_task_agent ON lh_task (agent, status, created_at_ms, serial);

CREATE TABLE lh_run (
  serial BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id TEXT NOT NULL UNIQUE, task_id TEXT NOT NULL, number INTEGER NOT NULL, agent_version TEXT NOT NULL,
  started_at_ms BIGINT NOT NULL, begun_at_ms BIGINT NOT NULL, recoveries INTEGER NOT NULL, parked_version TEXT, mismatch TEXT, format INTEGER NOT NULL, loop_version INTEGER NOT NULL,
  from_run_id TEXT, random_run_id TEXT, key_run_id TEXT
);
CREATE INDEX lh_run_task ON lh_run (task_id, number);

CREATE TABLE lh_journal (
  position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run BIGINT NOT NULL, activation INTEGER NOT NULL, number INTEGER NOT NULL,
  kind TEXT NOT NULL, name TEXT NOT NULL, occurrence INTEGER NOT NULL, attempt INTEGER NOT NULL, started_at_ms BIGINT NOT NULL, completed_at_ms BIGINT NOT NULL,
  outcome TEXT NOT NULL, UNIQUE (run, kind, name, occurrence)
);

CREATE TABLE lh_told (
  run BIGINT NOT NULL, activation INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, steps TEXT NOT NULL, PRIMARY KEY (run, first)
);

CREATE TABLE lh_wait (
  run BIGINT NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, occurrence INTEGER NOT NULL, reason TEXT NOT NULL,
  since_at_ms BIGINT NOT NULL, due_at_ms BIGINT, signal TEXT, child_task_id TEXT, awakeable TEXT,
  PRIMARY KEY (run, kind, name, occurrence)
);
CREATE INDEX lh_wait_due ON lh_wait (due_at_ms) WHERE due_at_ms IS NOT NULL;
CREATE INDEX lh_wait_child ON lh_wait (child_task_id) WHERE child_task_id IS NOT NULL;

CREATE TABLE lh_signal (
  position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run BIGINT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, consumed BOOLEAN NOT NULL, payload TEXT NOT NULL,
  UNIQUE (run, id)
);

CREATE TABLE lh_seed (
  position BIGINT GENERATED ALWAYS AS IDENTITY, task_id TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, occurrence INTEGER NOT NULL, started_at_ms BIGINT, completed_at_ms BIGINT,
  outcome TEXT NOT NULL, PRIMARY KEY (task_id, kind, name, occurrence)
);

CREATE TABLE lh_bell (
  position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, awakeable TEXT NOT NULL, step TEXT NOT NULL, at_ms BIGINT NOT NULL
);
`,
  },
  { name: "0002-engine", sql: `CREATE TABLE lh_request (task_id TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (task_id, id))` },
  {
    name: "0003-engine",
    sql: `CREATE TABLE lh_worker (position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT NOT NULL, uri TEXT NOT NULL, is_advertised BOOLEAN NOT NULL, trouble TEXT, seen_at TIMESTAMPTZ NOT NULL)`,
  },
];
