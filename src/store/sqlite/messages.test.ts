import { expect, it } from "vitest";
import { hashOf } from "../../base/json.ts";
import { migrate } from "../../db/migration.ts";
import { SqliteDatabase } from "../../db/sqlite.ts";
import type { Json } from "../../base/json.ts";
import { insertMessageOnce, selectMessages } from "./messages.ts";
import { storeMigrations } from "./schema.ts";

function open(): SqliteDatabase {
  const db = SqliteDatabase.open(":memory:");
  migrate(db, storeMigrations);
  return db;
}

/** Writes as the run loop does: at each turn the whole transcript so far is offered again. */
function converse(db: SqliteDatabase, turns: number): string {
  const contents: Json[] = [];
  let head = "";
  for (let turn = 0; turn < turns; turn++) {
    contents.push({ role: "user", text: `question ${turn} ${"x".repeat(500)}` }, { role: "assistant", parts: [{ type: "text", text: `answer ${turn} ${"y".repeat(500)}` }] });
    let parent: string | null = null;
    for (const content of contents) {
      const id: string = hashOf(`${parent}${JSON.stringify(content)}`);
      insertMessageOnce(db, id, parent, content);
      parent = id;
    }
    head = parent ?? "";
  }
  return head;
}

function storedBytes(db: SqliteDatabase): number {
  return Number(db.get("SELECT sum(length(id) + length(coalesce(parent_id, '')) + length(content)) AS bytes FROM lh_message")?.["bytes"]);
}

it("stores a conversation of 100 turns in bytes that grow with what was said, not with its square", () => {
  const [short, long] = [open(), open()];

  converse(short, 10);
  const head = converse(long, 100);

  expect(storedBytes(long) / storedBytes(short)).toBeCloseTo(10, 1);
  expect(storedBytes(long)).toBeLessThan(100 * 1_400);
  expect(selectMessages(long, head)).toHaveLength(200);
});

it("ends a transcript at 10,000 messages, and so one whose parents form a ring", () => {
  const db = open();
  insertMessageOnce(db, "a", "b", { role: "user", text: "a" });
  insertMessageOnce(db, "b", "a", { role: "user", text: "b" });

  const transcript = selectMessages(db, "a");

  expect(transcript).toHaveLength(10_000);
  expect(transcript.at(-1)).toEqual({ role: "user", text: "a" });
});
