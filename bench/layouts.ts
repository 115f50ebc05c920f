import { mkdtempSync, rmSync } from "node:fs";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

// The alternatives of docs/decisions/2026-11-24-journal-layout.md as bare group-commit loops, fsync on: 200 rows a commit, 50 steps a run. `node bench/layouts.ts`.
const groupSize = 200;
const stepsPerRun = 50;
const loopMs = 2_500;

interface Layout {
  readonly ddl: string;
  readonly insert: string;
  readonly row: (run: number, step: number) => readonly SQLInputValue[];
}

const values = "number INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, occurrence INTEGER NOT NULL, attempt INTEGER NOT NULL, started_at_ms INTEGER NOT NULL, completed_at_ms INTEGER NOT NULL, outcome TEXT NOT NULL";
const stepRow = (step: number): readonly SQLInputValue[] => [step, "code", "step", step, 1, 1_767_225_600_000 + step, 1_767_225_600_001 + step, `{"ok":true,"value":${step}}`];
const byNumber = (run: number, step: number): readonly SQLInputValue[] => [run, ...stepRow(step)];
const insertByNumber = "INSERT INTO journal (run, number, kind, name, occurrence, attempt, started_at_ms, completed_at_ms, outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";

const layouts: Readonly<Record<string, Layout>> = {
  "text ids, (run, seq) and identity unique": {
    ddl: `CREATE TABLE journal (run_id TEXT NOT NULL, seq INTEGER NOT NULL, ${values}, PRIMARY KEY (run_id, seq), UNIQUE (run_id, kind, name, occurrence)) STRICT`,
    insert: "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    row: (run, step) => [`r_01jd0000000000000000${String(run).padStart(6, "0")}`, step, ...stepRow(step)],
  },
  "clustered on (run, seq)": {
    ddl: `CREATE TABLE journal (run INTEGER NOT NULL, seq INTEGER NOT NULL, ${values}, PRIMARY KEY (run, seq)) STRICT, WITHOUT ROWID`,
    insert: "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    row: (run, step) => [run, step, ...stepRow(step)],
  },
  "append-only, identity unique": { ddl: `CREATE TABLE journal (position INTEGER PRIMARY KEY, run INTEGER NOT NULL, ${values}, UNIQUE (run, kind, name, occurrence)) STRICT`, insert: insertByNumber, row: byNumber },
  "append-only, index on run": { ddl: `CREATE TABLE journal (position INTEGER PRIMARY KEY, run INTEGER NOT NULL, ${values}) STRICT; CREATE INDEX by_run ON journal (run)`, insert: insertByNumber, row: byNumber },
  "append-only, no index": { ddl: `CREATE TABLE journal (position INTEGER PRIMARY KEY, run INTEGER NOT NULL, ${values}) STRICT`, insert: insertByNumber, row: byNumber },
};
const chosen = "append-only, identity unique";

type WriteGroup = (rows: readonly (readonly SQLInputValue[])[]) => void;

function openWriter(path: string, { ddl, insert }: Layout, savepoints: boolean): WriteGroup {
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; ${ddl}`);
  const [begin, commit, save, release, step] = ["BEGIN IMMEDIATE", "COMMIT", "SAVEPOINT job", "RELEASE job", insert].map((sql) => db.prepare(sql));
  return (rows) => {
    begin?.run();
    for (const row of rows) {
      if (savepoints) save?.run();
      step?.run(...row);
      if (savepoints) release?.run();
    }
    commit?.run();
  };
}

/** Groups of rows as 200 runs at once write them. */
function rowGroups({ row }: Layout): () => readonly (readonly SQLInputValue[])[] {
  let step = 0;
  let firstRun = 1;
  return () => {
    if (++step > stepsPerRun) [step, firstRun] = [1, firstRun + groupSize];
    return Array.from({ length: groupSize }, (_, index) => row(firstRun + index, step));
  };
}

async function inMainThread(path: string, layout: Layout, savepoints = false): Promise<number> {
  const write = openWriter(path, layout, savepoints);
  const next = rowGroups(layout);
  const beganAt = performance.now();
  let rows = 0;
  for (; performance.now() - beganAt < loopMs; rows += groupSize) {
    write(next());
    await nextTurn();
  }
  return (rows / (performance.now() - beganAt)) * 1000;
}

/** The main thread makes the rows and hands them to a writer thread, at most `inFlight` groups ahead. */
async function inWorker(path: string, layout: Layout, inFlight: number): Promise<number> {
  const worker = new Worker(new URL(import.meta.url), { workerData: path });
  const next = rowGroups(layout);
  const beganAt = performance.now();
  let rows = 0;
  await new Promise<void>((resolve) => {
    worker.on("message", () => {
      rows += groupSize;
      if (performance.now() - beganAt < loopMs) worker.postMessage(next());
      else resolve();
    });
    for (let index = 0; index < inFlight; index++) worker.postMessage(next());
  });
  await worker.terminate();
  return (rows / (performance.now() - beganAt)) * 1000;
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "longhaul-layouts-"));
  const measured: Record<string, { "rows/s": number }> = {};
  let files = 0;
  const measure = async (name: string, run: (path: string) => Promise<number>): Promise<void> => {
    measured[name] = { "rows/s": Math.round(await run(join(folder, `${++files}.db`))) };
  };
  const layout = layouts[chosen];
  if (layout === undefined) return;
  for (const [name, each] of Object.entries(layouts)) await measure(name, (path) => inMainThread(path, each));
  await measure(`${chosen}, a savepoint a row`, (path) => inMainThread(path, layout, true));
  await measure(`${chosen}, writer thread, 1 group ahead`, (path) => inWorker(path, layout, 1));
  await measure(`${chosen}, writer thread, 2 groups ahead`, (path) => inWorker(path, layout, 2));
  console.table(measured);
  rmSync(folder, { recursive: true });
}

if (isMainThread) await main();
else {
  const layout = layouts[chosen];
  const write = layout && openWriter(String(workerData), layout, false);
  parentPort?.on("message", (rows: readonly (readonly SQLInputValue[])[]) => {
    write?.(rows);
    parentPort?.postMessage(rows.length);
  });
}
