import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import { temporaryDirectory } from "../fixture/disk-team.ts";
import { databasePath } from "./disk-image.ts";
import { readFileOf } from "./file-state.ts";
import { tellStory } from "./story.ts";
import { steps } from "./teams/steps.ts";

test.each([
  ["a task waits for nothing", "UPDATE lh_task SET status = 'waiting', waiting_reason = 'timer', end = NULL, ended_at_ms = NULL"],
  ["a run belongs to no task", "UPDATE lh_run SET task_id = 'another'"],
  ["a step belongs to no run", "UPDATE lh_journal SET run = run + 99"],
  ["two steps of a run have one number", "UPDATE lh_journal SET number = 1"],
  ["a task's end and its status disagree", "UPDATE lh_task SET end = NULL"],
  ["a task with a key does not hold it", "DELETE FROM lh_key"],
])("the file itself is looked at: %s", async (what, sql) => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory.path, "story"));
  await tellStory({ scenario: steps, folder: join(directory.path, "story"), seed: "x" });
  const disk = join(directory.path, "story", "0");
  const db = SqliteDatabase.open(databasePath(disk));
  db.exec(sql);
  db.close();

  expect(readFileOf(disk).problems.join("\n")).toContain(what);
  directory.remove();
});
