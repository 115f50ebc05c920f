import type { Migration } from "../../db/migration.ts";
import { payloadMigration } from "../../db/payload.ts";

/** The tables of the store. To be applied together with the engine's by `migrate`; names end in "-store". */
export const storeMigrations: readonly Migration[] = [
  payloadMigration,
  {
    name: "0001-store",
    sql: `
-- A position is never used a second time as long as the newest record stays, which retention has to leave: AUTOINCREMENT would write one more row for each.
CREATE TABLE lh_record (
  position INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  at_ms INTEGER NOT NULL,
  timestamp TEXT NOT NULL,
  team TEXT NOT NULL,
  agent_id TEXT,
  agent_version TEXT,
  task_id TEXT,
  run_id TEXT,
  step INTEGER,
  attempt INTEGER,
  event_type TEXT NOT NULL,
  tool_name TEXT,
  tool_args TEXT,
  result TEXT,
  duration_ms INTEGER,
  tokens_used INTEGER,
  cost_micro_usd INTEGER,
  reason TEXT,
  simulated INTEGER NOT NULL,
  data TEXT NOT NULL
) STRICT;
CREATE INDEX lh_record_by_agent ON lh_record (agent_id, at_ms);
CREATE INDEX lh_record_by_event ON lh_record (event_type, at_ms, duration_ms);
CREATE INDEX lh_record_by_tool ON lh_record (tool_name, at_ms, duration_ms) WHERE tool_name IS NOT NULL;
CREATE INDEX lh_record_by_task ON lh_record (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX lh_record_by_run ON lh_record (run_id) WHERE run_id IS NOT NULL;
-- Retention deletes old records; nothing may change one (S5).
CREATE TRIGGER lh_record_never_changes BEFORE UPDATE ON lh_record BEGIN
  SELECT RAISE(ABORT, 'a record never changes');
END;

CREATE TABLE lh_message (
  id TEXT NOT NULL PRIMARY KEY,
  parent_id TEXT,
  content TEXT NOT NULL
) STRICT;

CREATE TABLE lh_key (
  key TEXT NOT NULL PRIMARY KEY,
  task_id TEXT NOT NULL,
  expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE lh_reservation (
  id TEXT NOT NULL PRIMARY KEY,
  step_key TEXT NOT NULL,
  agent TEXT NOT NULL,
  task_id TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  day INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'settled', 'lost', 'released')),
  amount_micro_usd INTEGER NOT NULL CHECK (amount_micro_usd >= 0),
  -- What the limits count of it: the amount while open or lost, the real cost once settled, 0 once released.
  counted_micro_usd INTEGER NOT NULL CHECK (counted_micro_usd >= 0),
  tokens INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX lh_reservation_open ON lh_reservation (step_key) WHERE state = 'open';
CREATE INDEX lh_reservation_by_agent ON lh_reservation (agent, at_ms);
CREATE INDEX lh_reservation_by_task ON lh_reservation (task_id);

-- Running totals, so that a reservation costs the same on the first call of a day and on the millionth. Only the triggers write them.
CREATE TABLE lh_task_money (
  task_id TEXT NOT NULL PRIMARY KEY,
  counted_micro_usd INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE lh_day_money (
  agent TEXT NOT NULL,
  day INTEGER NOT NULL,
  counted_micro_usd INTEGER NOT NULL,
  PRIMARY KEY (agent, day)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER lh_reservation_made AFTER INSERT ON lh_reservation BEGIN
  INSERT INTO lh_task_money VALUES (NEW.task_id, NEW.counted_micro_usd)
    ON CONFLICT DO UPDATE SET counted_micro_usd = counted_micro_usd + excluded.counted_micro_usd;
  INSERT INTO lh_day_money VALUES (NEW.agent, NEW.day, NEW.counted_micro_usd)
    ON CONFLICT DO UPDATE SET counted_micro_usd = counted_micro_usd + excluded.counted_micro_usd;
END;
CREATE TRIGGER lh_reservation_changed AFTER UPDATE OF counted_micro_usd ON lh_reservation BEGIN
  UPDATE lh_task_money SET counted_micro_usd = counted_micro_usd + NEW.counted_micro_usd - OLD.counted_micro_usd WHERE task_id = OLD.task_id;
  UPDATE lh_day_money SET counted_micro_usd = counted_micro_usd + NEW.counted_micro_usd - OLD.counted_micro_usd WHERE agent = OLD.agent AND day = OLD.day;
END;

CREATE TABLE lh_effect (
  key TEXT NOT NULL PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('intended', 'completed')),
  -- Null where the result was written without an intent.
  tool_name TEXT,
  task_id TEXT,
  run_id TEXT,
  intended_at_ms INTEGER,
  result TEXT
) STRICT;

CREATE TABLE lh_progress (
  agent TEXT NOT NULL PRIMARY KEY,
  count INTEGER NOT NULL,
  last_at_ms INTEGER,
  last_output_hash TEXT,
  last_id TEXT
) STRICT, WITHOUT ROWID;
-- Every progress write that was seen, whether it counted or not.
CREATE TABLE lh_progress_mark (
  id TEXT NOT NULL PRIMARY KEY,
  agent TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  what TEXT NOT NULL,
  counted INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE lh_trigger (
  id TEXT NOT NULL PRIMARY KEY,
  state TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE lh_outbox (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  notifier TEXT NOT NULL,
  notification TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
  attempts INTEGER NOT NULL DEFAULT 0,
  next_at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER,
  last_error TEXT
) STRICT;
CREATE INDEX lh_outbox_waiting ON lh_outbox (next_at_ms) WHERE state = 'waiting';

CREATE TABLE lh_meta (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Who does what one process at a time does. The epoch goes up with each holder, and when a lease is given up; the row stays, so that it never begins anew.
CREATE TABLE lh_lease (
  name TEXT NOT NULL PRIMARY KEY,
  holder TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`,
  },
  {
    name: "0002-store",
    sql: `
-- What retention asks for each row that it removes.
CREATE INDEX lh_record_by_transcript ON lh_record (CASE WHEN json_valid(data) THEN json_extract(data, '$.transcript') END) WHERE event_type = 'model_call';
CREATE INDEX lh_message_by_parent ON lh_message (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX lh_reservation_by_time ON lh_reservation (at_ms);

-- What agents used, by the hour in which it was: of records that are forgotten.
CREATE TABLE lh_usage_hour (
  hour_ms INTEGER NOT NULL,
  agent_id TEXT NOT NULL,
  model_calls INTEGER NOT NULL,
  tool_calls INTEGER NOT NULL,
  tool_errors INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  cost_micro_usd INTEGER NOT NULL,
  PRIMARY KEY (hour_ms, agent_id)
) STRICT, WITHOUT ROWID;
`,
  },
];
