import type { Migration } from "../../db/migration.ts";
import { payloadMigrations } from "../../db/postgres-payload.ts";

/**
 * The tables of the store, in the schema of the connection. To be applied together with the engine's by `migratePostgres`; names end in "-store".
 * JSON is kept in columns of type text (db/postgres-text.ts says why); for a look at it, cast: `data::json ->> 'model'`.
 */
export const storeMigrations: readonly Migration[] = [
  ...payloadMigrations,
  {
    name: "0001-store",
    sql: `
CREATE SEQUENCE lh_record_position;
-- Weekly partitions by at_ms (partitions.ts), so that retention drops tables and deletes nothing. An id belongs to one record, whose timestamp never changes,
-- so that the same id always comes to the same partition: unique (id, at_ms) is unique id.
CREATE TABLE lh_record (
  position int8 NOT NULL DEFAULT nextval('lh_record_position'),
  id text NOT NULL,
  at_ms int8 NOT NULL,
  timestamp text NOT NULL,
  team text NOT NULL,
  agent_id text,
  agent_version text,
  task_id text,
  run_id text,
  step int8,
  attempt int8,
  event_type text NOT NULL,
  tool_name text,
  tool_args text,
  result text,
  duration_ms int8,
  tokens_used int8,
  cost_micro_usd int8,
  reason text,
  simulated boolean NOT NULL,
  data text NOT NULL,
  PRIMARY KEY (id, at_ms)
) PARTITION BY RANGE (at_ms);
CREATE INDEX lh_record_by_position ON lh_record (position);
CREATE INDEX lh_record_by_time ON lh_record (at_ms);
CREATE INDEX lh_record_by_agent ON lh_record (agent_id, at_ms);
CREATE INDEX lh_record_by_event ON lh_record (event_type, at_ms, duration_ms);
-- A model may call a tool by a name of any length; an index may not hold it.
CREATE INDEX lh_record_by_tool ON lh_record (left(tool_name, 100), at_ms, duration_ms) WHERE tool_name IS NOT NULL;
CREATE INDEX lh_record_by_task ON lh_record (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX lh_record_by_run ON lh_record (run_id) WHERE run_id IS NOT NULL;
-- Takes what no week was made for, so that nothing is ever refused.
CREATE TABLE lh_record_default PARTITION OF lh_record DEFAULT;
CREATE FUNCTION lh_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a record never changes'; END $$;
-- Retention drops old records; nothing may change one (S5).
CREATE TRIGGER lh_record_never_changes BEFORE UPDATE ON lh_record FOR EACH ROW EXECUTE FUNCTION lh_refuse_change();

CREATE TABLE lh_message (
  id text PRIMARY KEY,
  parent_id text,
  content text NOT NULL
);

CREATE TABLE lh_key (
  key text PRIMARY KEY,
  task_id text NOT NULL,
  expires_at_ms int8 NOT NULL
);

CREATE TABLE lh_reservation (
  id text PRIMARY KEY,
  step_key text NOT NULL,
  agent text NOT NULL,
  task_id text NOT NULL,
  at_ms int8 NOT NULL,
  day int8 NOT NULL,
  state text NOT NULL CHECK (state IN ('open', 'settled', 'lost', 'released')),
  amount_micro_usd int8 NOT NULL CHECK (amount_micro_usd >= 0),
  -- What the limits count of it: the amount while open or lost, the real cost once settled, 0 once released.
  counted_micro_usd int8 NOT NULL CHECK (counted_micro_usd >= 0),
  tokens int8 NOT NULL DEFAULT 0
);
CREATE INDEX lh_reservation_open ON lh_reservation (step_key) WHERE state = 'open';
CREATE INDEX lh_reservation_by_agent ON lh_reservation (agent, at_ms);
CREATE INDEX lh_reservation_by_task ON lh_reservation (task_id);

-- Running totals, so that a reservation costs the same on the first call of a day and on the millionth. Only the triggers change them; a reservation locks their rows.
CREATE TABLE lh_task_money (
  task_id text PRIMARY KEY,
  counted_micro_usd int8 NOT NULL
);
CREATE TABLE lh_day_money (
  agent text NOT NULL,
  day int8 NOT NULL,
  counted_micro_usd int8 NOT NULL,
  PRIMARY KEY (agent, day)
);
CREATE FUNCTION lh_count_reservation() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE difference int8 := NEW.counted_micro_usd - CASE WHEN TG_OP = 'UPDATE' THEN OLD.counted_micro_usd ELSE 0 END;
BEGIN
  INSERT INTO lh_task_money AS total VALUES (NEW.task_id, difference)
    ON CONFLICT (task_id) DO UPDATE SET counted_micro_usd = total.counted_micro_usd + excluded.counted_micro_usd;
  INSERT INTO lh_day_money AS total VALUES (NEW.agent, NEW.day, difference)
    ON CONFLICT (agent, day) DO UPDATE SET counted_micro_usd = total.counted_micro_usd + excluded.counted_micro_usd;
  RETURN NULL;
END $$;
CREATE TRIGGER lh_reservation_made AFTER INSERT ON lh_reservation FOR EACH ROW EXECUTE FUNCTION lh_count_reservation();
CREATE TRIGGER lh_reservation_changed AFTER UPDATE OF counted_micro_usd ON lh_reservation FOR EACH ROW EXECUTE FUNCTION lh_count_reservation();

CREATE TABLE lh_effect (
  key text PRIMARY KEY,
  state text NOT NULL CHECK (state IN ('intended', 'completed')),
  -- Null where the result was written without an intent.
  tool_name text,
  task_id text,
  run_id text,
  intended_at_ms int8,
  -- Of the call that made the intent: done again after a lost COMMIT, it knows its own.
  token text,
  result text
);

CREATE TABLE lh_progress (
  agent text PRIMARY KEY,
  count int8 NOT NULL,
  last_at_ms int8,
  last_output_hash text,
  last_id text
);
-- Every progress write that was seen, whether it counted or not.
CREATE TABLE lh_progress_mark (
  id text PRIMARY KEY,
  agent text NOT NULL,
  at_ms int8 NOT NULL,
  what text NOT NULL,
  counted boolean NOT NULL
);

CREATE TABLE lh_trigger (
  id text PRIMARY KEY,
  state text NOT NULL
);

CREATE TABLE lh_outbox (
  position int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text NOT NULL UNIQUE,
  notifier text NOT NULL,
  notification text NOT NULL,
  at_ms int8 NOT NULL,
  expires_at_ms int8 NOT NULL,
  state text NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
  attempts int8 NOT NULL DEFAULT 0,
  next_at_ms int8 NOT NULL,
  -- Of the last attempt that failed: told twice, it counts once.
  failed_at_ms int8,
  ended_at_ms int8,
  last_error text
);
CREATE INDEX lh_outbox_waiting ON lh_outbox (next_at_ms) WHERE state = 'waiting';

CREATE TABLE lh_meta (
  name text PRIMARY KEY,
  value text NOT NULL
);

-- Who does what one process at a time does. The epoch goes up with each holder, and when a lease is given up; the row stays, so that it never begins anew.
CREATE TABLE lh_lease (
  name text PRIMARY KEY,
  holder text NOT NULL,
  epoch int8 NOT NULL,
  expires_at timestamptz NOT NULL
);
`,
  },
  {
    name: "0002-store",
    sql: `
-- When a transcript last came to go through it, give or take an hour.
ALTER TABLE lh_message ADD COLUMN used_at timestamptz NOT NULL DEFAULT clock_timestamp();
CREATE INDEX lh_reservation_by_time ON lh_reservation (at_ms);

-- What agents used, by the hour in which it was: of records that are forgotten.
CREATE TABLE lh_usage_hour (
  hour_ms int8 NOT NULL,
  agent_id text NOT NULL,
  model_calls int8 NOT NULL,
  tool_calls int8 NOT NULL,
  tool_errors int8 NOT NULL,
  tokens int8 NOT NULL,
  cost_micro_usd int8 NOT NULL,
  PRIMARY KEY (hour_ms, agent_id)
);
`,
  },
];
