import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, it } from "vitest";
import { GroupCommit } from "./group-commit.ts";
import { SqliteDatabase } from "./sqlite.ts";

/** Writes rows of its own name one commit at a time, and says each number after its commit was acknowledged. */
const writer = `
import { writeSync } from "node:fs";
const { GroupCommit } = await import(${JSON.stringify(import.meta.resolve("./group-commit.ts"))});
const { SqliteDatabase } = await import(${JSON.stringify(import.meta.resolve("./sqlite.ts"))});
const [path, name, count] = process.argv.slice(1);
const db = SqliteDatabase.open(path);
const commit = new GroupCommit({ db });
writeSync(1, "ready\\n");
for (let number = 1; number <= Number(count); number++) {
  await commit.submit((tx) => tx.run("INSERT INTO item (writer, number) VALUES (?, ?)", name, number));
  writeSync(1, number + "\\n");
}
await commit.close();
db.close();
`;

let folder: string;
let path: string;
let db: SqliteDatabase;
let children: ChildProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "longhaul-processes-"));
  path = join(folder, "data.db");
  db = SqliteDatabase.open(path);
  db.exec("CREATE TABLE item (position INTEGER PRIMARY KEY, writer TEXT NOT NULL, number INTEGER NOT NULL) STRICT");
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  db.close();
  rmSync(folder, { recursive: true });
});

function startWriter(name: string, count: number): { readonly child: ChildProcess; readonly lines: AsyncIterator<string>; readonly ended: Promise<unknown> } {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", writer, path, name, String(count)], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator](), ended: once(child, "close") };
}

function numbersOf(name: string): readonly unknown[] {
  return db.all("SELECT number FROM item WHERE writer = ? ORDER BY position", name).map((row) => row["number"]);
}

it("loses no write of two processes that write at the same time", async () => {
  const count = 200;
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const commit = new GroupCommit({ db });
  const { lines, ended } = startWriter("child", count);
  await lines.next();

  for (const number of numbers) await commit.submit((tx) => tx.run("INSERT INTO item (writer, number) VALUES ('parent', ?)", number));
  const [exitCode] = (await ended) as [number];

  expect(exitCode).toBe(0);
  expect(numbersOf("parent")).toEqual(numbers);
  expect(numbersOf("child")).toEqual(numbers);
});

it("keeps every acknowledged commit of a process that is killed with SIGKILL", async () => {
  const { child, lines, ended } = startWriter("child", 1_000_000);
  let acknowledged = 0;
  while (acknowledged < 150) acknowledged = Number((await lines.next()).value) || 0;

  child.kill("SIGKILL");
  await ended;
  for (let line = await lines.next(); line.done !== true; line = await lines.next()) acknowledged = Number(line.value);

  const stored = numbersOf("child");
  expect(stored.length).toBeGreaterThanOrEqual(acknowledged);
  expect(stored).toEqual(stored.map((_, index) => index + 1));
  expect(db.get("PRAGMA integrity_check")?.["integrity_check"]).toBe("ok");
});
