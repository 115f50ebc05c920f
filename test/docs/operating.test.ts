import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { bundleLimits } from "../../src/cli/doctor/bundle.ts";
import { backupName } from "../../src/runtime/backup-place.ts";
import { dataMigrations } from "../../src/runtime/open-data.ts";
import { migrate } from "../../src/db/migration.ts";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import { expectationDefaults } from "../../src/judge/observation.ts";
import type { HealthState } from "../../src/record/health.ts";
import type { WaitingReason } from "../../src/record/task.ts";
import { codeOf, readPages, readText, sectionOf, tableRows } from "./markdown.ts";

const page = readText("docs/guide/operating.md");
const health = sectionOf(page, "## Health");

/** True: people are told. */
const states: Readonly<Record<HealthState["state"], boolean>> = { idle: false, working: false, waiting: false, paused: false, stalled: true, hollow: true, missed: true, "stuck-waiting": true, down: true };

/** True: something in this version makes a task wait for it. */
const reasons: Readonly<Record<WaitingReason, boolean>> = {
  timer: true, human: true, signal: true, child: true, retry: true, breaker: true, "rate-limit": true, budget: true, concurrency: true, dependency: false, paused: false,
  "code-mismatch": true, "unknown-effect": true,
};

const folder = mkdtempSync(join(tmpdir(), "longhaul-operating-"));
mkdirSync(join(folder, ".longhaul"));
const db = SqliteDatabase.open(join(folder, ".longhaul", "longhaul.db"));
migrate(db, dataMigrations);
const tables = db.all("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").map((row) => String(row["name"]));

afterAll(() => {
  db.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("docs/guide/operating.md", () => {
  it("says of each health state whether it is bad", () => {
    const listed = tableRows(health).map(([state, isBad]) => [codeOf(state), isBad]);

    expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(Object.entries(states).map(([state, isBad]) => [state, isBad ? "yes" : "no"])));
  });

  it("states the numbers that health is judged by", () => {
    expect(health).toContain(`a step shows nothing for ${expectationDefaults.activityWithinMs / 60_000} min`);
    expect(expectationDefaults.consecutiveDeadMax).toBe(3);
    expect(health).toContain("three tasks in a row died");
  });

  it("says what ends each wait that there is", () => {
    const listed = tableRows(health.slice(health.indexOf("| waits for |"))).map(([reason]) => codeOf(reason));

    expect(listed.toSorted()).toEqual(Object.keys(reasons).filter((reason) => reasons[reason as WaitingReason]).toSorted());
  });

  it("lists the tables of the data file", () => {
    expect(new Set(tableRows(sectionOf(page, "## SQL")).map(([table]) => codeOf(table)))).toEqual(new Set(tables));
  });

  it("shows statements that the tables answer", () => {
    const statements = readPages().flatMap(({ text }) => [...text.matchAll(/longhaul sql "([^"]+)"/g)].map(([, statement = ""]) => statement));

    expect(statements.length).toBeGreaterThan(1);
    for (const statement of statements) expect(() => db.all(statement)).not.toThrow();
  });

  it("states how large a support bundle is", () => {
    expect(sectionOf(page, "## When something is wrong")).toContain(`the last ${bundleLimits.records.toLocaleString("en-US")} records, at most ${bundleLimits.fileBytes / 1e6} MB of each`);
  });

  it("says of a backup what the code does", () => {
    expect(sectionOf(page, "## Backup")).toContain(`# ${backupName("prospecting", Date.UTC(2026, 10, 26, 10, 15))} in there`);
    expect(sectionOf(page, "## Backup")).toContain("`.partial`");
  });
});
