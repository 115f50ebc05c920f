import { expect, test } from "vitest";
import { macrotask } from "../base/turn.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import { GroupCommit } from "../db/group-commit.ts";
import { SqliteDatabase } from "../db/sqlite.ts";
import { createStorageAlarm, database, dataFile } from "./storage-alarm.ts";

function createAlarm() {
  const clock = new VirtualClock();
  const told: string[] = [];
  const notifier = { name: "people", send: async ({ severity, title, text }: { severity: string; title: string; text: string }) => void told.push(`${severity}: ${title}. ${text}`) };
  const alarm = createStorageAlarm({ clock, team: "t", storage: dataFile, ids: (prefix) => `${prefix}_1`, notifiers: [notifier], print: (line) => told.push(line) });
  return { clock, told, alarm };
}

test("tells people past the full file, once, and again when it takes writes", async () => {
  const { clock, told, alarm } = createAlarm();
  const db = SqliteDatabase.open(":memory:");
  db.exec("CREATE TABLE item (text TEXT) STRICT");
  const commit = new GroupCommit({ db, onOutcome: alarm.outcome });
  const pages = Number(db.get("PRAGMA page_count")?.["page_count"]);
  db.get(`PRAGMA max_page_count = ${pages + 2}`);
  const fill = (): Promise<unknown> => commit.submit((tx) => tx.run("INSERT INTO item VALUES (?)", "x".repeat(100_000))).catch((error: unknown) => error);

  expect(await fill()).toMatchObject({ message: expect.stringContaining("full") });
  await clock.advance(9_000);
  expect(told).toEqual([]);
  expect(alarm.failingSinceMs).not.toBeNull();
  await fill();
  await clock.advance(1_001);
  expect(told).toEqual([expect.stringMatching(/^critical: t cannot write its data file\. For 10 s nothing could be written: .*full/)]);
  db.get("PRAGMA max_page_count = 100000");
  await fill();
  await macrotask();

  expect(told[1]).toMatch(/^resolved: t writes its data file again/);
  expect(alarm.failingSinceMs).toBeNull();
  alarm.close();
  await commit.close();
  db.close();
});

test("says nothing of a lock that passes within seconds", async () => {
  const { clock, told, alarm } = createAlarm();

  alarm.outcome(new Error("database is locked"));
  await clock.advance(5_000);
  alarm.outcome(null);
  await clock.advance(60_000);

  expect(told).toEqual([]);
});

test("says what could not be told, and tells again after four hours", async () => {
  const clock = new VirtualClock();
  const printed: string[] = [];
  const notifier = { name: "webhook", send: () => Promise.reject(new Error("refused")) };
  const alarm = createStorageAlarm({ clock, team: "t", storage: dataFile, ids: () => "n_1", notifiers: [notifier], print: (line) => printed.push(line) });

  alarm.outcome(new Error("database or disk is full"));
  await clock.advance(4 * 3_600_000 + 11_000);

  expect(printed).toEqual([expect.stringContaining("webhook could not deliver"), expect.stringContaining("webhook could not deliver")]);
  alarm.close();
});

test("says of a database what is to be done about a database, and when it took writes again", async () => {
  const clock = new VirtualClock();
  const told: string[] = [];
  const alarm = createStorageAlarm({ clock, team: "t", storage: database, ids: () => "n_1", notifiers: [{ name: "people", send: async ({ text }) => void told.push(text) }], print: (line) => told.push(line) });

  alarm.outcome(new Error("connect ECONNREFUSED"));
  await clock.advance(11_000);
  alarm.outcome(null);

  expect(told[0]).toContain("see that PostgreSQL runs");
  expect(told[0]).not.toContain("disk");
  expect(alarm.mendedAtMs).toBe(clock.now());
});
