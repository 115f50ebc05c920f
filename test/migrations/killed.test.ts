import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, it } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { temporaryDirectory } from "../fixture/disk-team.ts";
import { heavyMigrations } from "./fixture/migrating-process.ts";
import { readRecordings } from "./fixture/recording.ts";
import { loadSql } from "./fixture/sql-dump.ts";

const script = join(import.meta.dirname, "fixture", "migrating-process.ts");
const seed = 20_260_101;
const kills = 8;

let folder: ReturnType<typeof temporaryDirectory>;
let running: ChildProcess | null;
beforeEach(() => {
  folder = temporaryDirectory();
  running = null;
});
afterEach(() => {
  running?.kill("SIGKILL");
  folder.remove();
});

/** Starts to migrate, and says how it came to its end and how long it took. */
async function migrateUntil(file: string, killAfterMs: number | null): Promise<{ readonly isDone: boolean; readonly tookMs: number }> {
  const child = spawn(process.execPath, ["--conditions=longhaul-source", script, file], { stdio: ["ignore", "pipe", "inherit"] });
  running = child;
  const lines: string[] = [];
  const ended = once(child, "close");
  await new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      resolve();
    });
  });
  const begunMs = systemClock.monotonicMs();
  if (killAfterMs !== null) {
    await Promise.race([sleep(systemClock, killAfterMs), ended]);
    child.kill("SIGKILL");
  }
  await ended;
  expect(lines[0]).toBe("begins");
  return { isDone: lines.includes("done"), tookMs: systemClock.monotonicMs() - begunMs };
}

/** The names of the migrations that the file holds, and every table with the number of its rows. */
function stateOf(file: string): { readonly names: readonly string[]; readonly tables: Readonly<Record<string, number>> } {
  const db = new DatabaseSync(file);
  try {
    expect(db.prepare("PRAGMA integrity_check").get()).toMatchObject({ integrity_check: "ok" });
    const names = db.prepare("SELECT name FROM lh_migration ORDER BY name").all().map(({ name }) => String(name));
    const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'lh_%'").all().map(({ name }) => String(name));
    return { names, tables: Object.fromEntries(tables.map((table) => [table, Number(db.prepare(`SELECT count(*) AS n FROM "${table}"`).get()?.["n"])])) };
  } finally {
    db.close();
  }
}

function newFile(name: string): string {
  const file = join(folder.path, name);
  loadSql(file, readRecordings().at(-1)?.sql ?? "");
  return file;
}

it(`is before or after a migration, whenever the process is killed in it (${kills} kills, seed ${seed})`, { timeout: 120_000 }, async () => {
  const before = stateOf(newFile("before.db"));
  const { isDone, tookMs } = await migrateUntil(newFile("after.db"), null);
  const after = stateOf(join(folder.path, "after.db"));
  expect(isDone).toBe(true);
  expect(after.names).toEqual([...before.names, ...heavyMigrations.map(({ name }) => name)].toSorted());

  const random = seededRandom(seed);
  let interrupted = 0;
  let wholeMs = tookMs;
  // More kills where the machine was slower before and most of them come too late.
  for (let kill = 1; kill <= kills || (interrupted <= kills / 3 && kill <= 4 * kills); kill++) {
    const file = newFile(`${kill}.db`);
    const killAfterMs = random.next() * wholeMs;
    const killed = await migrateUntil(file, killAfterMs);
    const state = stateOf(file);
    const where = `kill ${kill}, after ${Math.round(killAfterMs)} of ${Math.round(wholeMs)} ms`;
    const isAfter = killed.isDone || state.names.length > before.names.length;
    expect(state, `state at ${where}`).toEqual(isAfter ? after : before);
    if (killed.isDone) wholeMs = Math.min(wholeMs, killed.tookMs);
    else interrupted++;

    expect((await migrateUntil(file, null)).isDone, `state at ${where}`).toBe(true);
    expect(stateOf(file), `${where}, started again`).toEqual(after);
  }
  expect(interrupted, "kills that came in the middle").toBeGreaterThan(kills / 3);
});
