import * as fc from "fast-check";
import { expect, it } from "vitest";
import { migrate } from "../../db/migration.ts";
import { SqliteDatabase } from "../../db/sqlite.ts";
import { eventTypes, toLogRecord } from "../../record/log-record.ts";
import type { RecordFilter } from "../store.ts";
import { appendRecord, queryRecords } from "./records.ts";
import { storeMigrations } from "./schema.ts";

function open(): SqliteDatabase {
  const db = SqliteDatabase.open(":memory:");
  migrate(db, storeMigrations);
  return db;
}

/** Records what SQLite says about how it would run each statement of `job`. */
function plansOf(db: SqliteDatabase, filter: RecordFilter): string {
  const plans: string[] = [];
  const explaining = new Proxy(db, {
    get: (target, name) => (name !== "all" ? (Reflect.get(target, name) as unknown) : (sql: string, ...parameters: readonly string[]) => {
      plans.push(...target.all(`EXPLAIN QUERY PLAN ${sql}`, ...parameters).map((row) => String(row["detail"])));
      return target.all(sql, ...parameters);
    }),
  });
  queryRecords(explaining, filter);
  return plans.join("\n");
}

it.each<[string, RecordFilter, string]>([
  ["an agent", { agent: "a" }, "COVERING INDEX lh_record_by_agent (agent_id=?)"],
  ["an agent's last hour", { agent: "a", sinceMs: 5 }, "COVERING INDEX lh_record_by_agent (agent_id=? AND at_ms>?)"],
  ["a task", { taskId: "t" }, "INDEX lh_record_by_task (task_id=?)"],
  ["a run", { runId: "r" }, "INDEX lh_record_by_run (run_id=?)"],
  ["a kind of event", { eventTypes: ["alert", "error"] }, "COVERING INDEX lh_record_by_event (event_type=?)"],
  ["tool calls over 5 s in the last hour", { eventTypes: ["tool_call"], sinceMs: 5, durationMsMin: 5_000 }, "COVERING INDEX lh_record_by_event (event_type=? AND at_ms>?)"],
  ["slow calls of one tool", { toolName: "search", sinceMs: 5, durationMsMin: 5_000 }, "COVERING INDEX lh_record_by_tool (tool_name=? AND at_ms>?)"],
  ["the last hour", { sinceMs: 5 }, "COVERING INDEX lh_record_by_event (event_type=? AND at_ms>?)"],
  ["all until an hour ago", { untilMs: 5, sinceMs: 1 }, "COVERING INDEX lh_record_by_event (event_type=? AND at_ms>? AND at_ms<?)"],
])("finds %s by an index", (_, filter, index) => {
  expect(plansOf(open(), filter)).toContain(index);
});

it("reads the newest of all without sorting the log", () => {
  expect(plansOf(open(), {})).not.toContain("TEMP B-TREE");
});

it("gives back any text and any data unchanged", () => {
  const text = fc.string({ unit: "grapheme" });
  const record = fc
    .record({ event_type: fc.constantFrom(...eventTypes), reason: fc.option(text), tool_name: fc.option(text), tool_args: fc.option(fc.dictionary(text, fc.jsonValue())), data: fc.dictionary(text, fc.jsonValue()), simulated: fc.boolean() })
    .map((fields) => JSON.parse(JSON.stringify(fields)) as typeof fields);
  const db = open();
  let count = 0;

  fc.assert(fc.property(record, (fields) => {
    const written = toLogRecord(`x${count++}`, count, "team", fields as Parameters<typeof toLogRecord>[3]);
    appendRecord(db, written);
    expect(queryRecords(db, { limit: 1 })[0]?.record).toEqual(written);
  }), { numRuns: 300 });
});

it("treats a timestamp that is none as a bug of ours", () => {
  const record = { ...toLogRecord("x1", 0, "team", { event_type: "task" }), timestamp: "yesterday" };

  expect(() => appendRecord(open(), record)).toThrow(/Longhaul bug: record x1 has the timestamp "yesterday"/);
});
