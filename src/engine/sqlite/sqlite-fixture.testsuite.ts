import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { LonghaulError } from "../../base/error.ts";
import { createIds } from "../../base/id.ts";
import type { ProcessInfo } from "../../base/process.ts";
import { seededRandom, type Random } from "../../base/random.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { GroupCommit } from "../../db/group-commit.ts";
import { migrate, type Migration } from "../../db/migration.ts";
import { SqliteDatabase } from "../../db/sqlite.ts";
import type { Write } from "../../record/write.ts";
import type { TaskChange } from "../engine.ts";
import type { EngineFixture, EngineSuite } from "../engine-fixture.testsuite.ts";
import { engineMigrations } from "./engine-migrations.ts";
import type { EngineLimits } from "../limits.ts";
import { findInconsistencies } from "./inconsistencies.testsuite.ts";
import { acquireOwnership } from "./owner.ts";
import { createSqliteEngine } from "./sqlite-engine.ts";

/** A small store of the test's own: keys and progress, as real tables in the engine's file. */
const testStoreMigrations: readonly Migration[] = [
  {
    name: "0002-test-store",
    sql: `CREATE TABLE test_key (key TEXT PRIMARY KEY, task_id TEXT NOT NULL, expires_at_ms INTEGER NOT NULL) STRICT;
          CREATE TABLE test_progress (id TEXT PRIMARY KEY) STRICT;
          CREATE TABLE test_record (id TEXT PRIMARY KEY) STRICT;
          CREATE TABLE test_left (task_id TEXT NOT NULL) STRICT;`,
  },
];

function applyTestWrites(db: SqliteDatabase, writes: readonly Write[]): void {
  for (const write of writes) {
    if (write.type === "key.claim") claim(db, write);
    else if (write.type === "progress") db.run("INSERT OR IGNORE INTO test_progress (id) VALUES (?)", write.id);
    else if (write.type === "record") db.run("INSERT OR IGNORE INTO test_record (id) VALUES (?)", write.record.id);
    else if (write.type === "task.left") db.run("INSERT INTO test_left (task_id) VALUES (?)", write.taskId);
  }
}

function claim(db: SqliteDatabase, write: Extract<Write, { readonly type: "key.claim" }>): void {
  const held = db.get("SELECT task_id, expires_at_ms FROM test_key WHERE key = ?", write.key);
  if (held !== undefined && Number(held["expires_at_ms"]) > write.atMs && held["task_id"] !== write.taskId) {
    throw new LonghaulError("TASK_KEY_TAKEN", `Key ${write.key} belongs to task ${String(held["task_id"])}.`, { details: { taskId: String(held["task_id"]) } });
  }
  db.run("INSERT OR REPLACE INTO test_key (key, task_id, expires_at_ms) VALUES (?, ?, ?)", write.key, write.taskId, write.expiresAtMs);
}

export interface SqliteFixture extends EngineFixture {
  readonly db: SqliteDatabase;
  readonly commit: GroupCommit;
  readonly faults: readonly unknown[];
}

export interface SqliteSuite extends EngineSuite {
  create(): Promise<SqliteFixture>;
}

interface SqliteFixtureOptions {
  readonly path: string;
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly limits?: Partial<EngineLimits>;
}

/** Opens an engine on a file whose last owner, if any, counts as dead. */
function openSqliteFixture({ path, clock, random, limits = {} }: SqliteFixtureOptions): SqliteFixture {
  const db = SqliteDatabase.open(path);
  migrate(db, [...engineMigrations, ...testStoreMigrations]);
  const ownership = acquireOwnership({ db, clock, processInfo: processWhoseRivalsAreDead });
  const commit = new GroupCommit({ db, guard: ownership.guard });
  const changes: TaskChange[] = [];
  const faults: unknown[] = [];
  const engine = createSqliteEngine({
    db, commit, clock, limits,
    ids: createIds(clock, random),
    apply: applyTestWrites,
    // Only the epoch is checked here: renewals would put a timer at every fifth second of a virtual day.
    observe(change) {
      changes.push(change);
      return [{ type: "progress", id: `${change.task.id} ${change.from ?? "new"}>${change.task.status} ${changes.length}/${ownership.epoch}`, agent: "a", atMs: 0, what: "moved", outputHash: null }];
    },
    onFault: (error) => faults.push(error),
  });
  const applied = async () => db.all("SELECT id FROM test_progress ORDER BY rowid").map((row) => String(row["id"])).filter((id) => !id.includes(">"));
  const recorded = async () => db.all("SELECT id FROM test_record ORDER BY rowid").map((row) => String(row["id"]));
  const left = async () => db.all("SELECT task_id FROM test_left ORDER BY rowid").map((row) => String(row["task_id"]));
  return { engine, clock, changes, applied, recorded, left, db, commit, faults, settle: () => clock.advance(0) };
}

/** Files in a folder of their own, and the engines that were opened on them. */
export function sqliteSuite(limits: Partial<EngineLimits> = {}): SqliteSuite {
  const folder = mkdtempSync(join(tmpdir(), "longhaul-engine-"));
  const opened: SqliteFixture[] = [];
  let files = 0;
  const open = (path: string, clock: VirtualClock): SqliteFixture => {
    const fixture = openSqliteFixture({ path, clock, random: seededRandom(`${path}${opened.length}`), limits });
    opened.push(fixture);
    return fixture;
  };
  const pathOf = (fixture: EngineFixture): string => (fixture as SqliteFixture).db.path;
  return {
    create: async () => open(join(folder, `${++files}.db`), new VirtualClock()),
    crash: async (fixture) => open(pathOf(fixture), fixture.clock),
    async reopen(fixture) {
      await fixture.engine.close();
      return open(pathOf(fixture), fixture.clock);
    },
    async destroy() {
      const fixtures = opened.splice(0);
      for (const { commit } of fixtures) await commit.close();
      expect(fixtures.flatMap(({ db }) => findInconsistencies(db))).toEqual([]);
      for (const { db } of fixtures) db.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const processWhoseRivalsAreDead: ProcessInfo = { pid: 1, startTime: "1", bootId: "boot", pidNamespace: "pids", isAlive: () => false, kill: () => undefined, standStill: () => undefined };
