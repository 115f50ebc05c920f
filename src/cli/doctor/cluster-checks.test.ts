import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { seededRandom } from "../../base/random.ts";
import { type PostgresServer, sharedPostgres } from "../../db/fixture/postgres-server.ts";
import { migratePostgres } from "../../db/postgres-migration.ts";
import { PostgresDatabase } from "../../db/postgres.ts";
import { addWorker } from "../../engine/restate/workers.ts";
import { clusterMigrations } from "../../runtime/cluster-schema.ts";
import { openClusterView } from "../../runtime/cluster-view.ts";
import { noteRestate } from "../../runtime/restate-note.ts";
import { createPostgresStore } from "../../store/postgres/postgres-store.ts";
import { toFailureReport } from "../failure-report.ts";
import type { Check } from "./check.ts";
import { checkCluster, type RestateAddresses } from "./cluster-checks.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await sharedPostgres();
});

let store: string;
let db: PostgresDatabase;
beforeEach(async () => {
  store = await server.createDatabase();
  db = await PostgresDatabase.open({ url: store, clock: systemClock, random: seededRandom(1) });
  onTestFinished(() => db.close());
  await migratePostgres(db, clusterMigrations);
});

const openView = () => openClusterView({ store, clock: systemClock, random: seededRandom(2) });
const nowhere = "http://127.0.0.1:9";

async function examine(given: Partial<RestateAddresses> = {}): Promise<Readonly<Record<string, Check>>> {
  const checks = await checkCluster(openView, given, systemClock);
  return Object.fromEntries(checks.map((check) => [check.name, check]));
}

describe("a table that somebody renamed", () => {
  const names = expect.objectContaining({ code: "STORE_STATEMENT", message: expect.stringMatching(/schema longhaul at .* lacks lh_bell, lh_signal.*Rename.*backup of PostgreSQL/) as string }) as Error;

  it("is named, with the remedy, by the doctor, by commands and by a worker that would start", async () => {
    expect(await examine()).toMatchObject({ PostgreSQL: { status: "ok", found: expect.stringContaining("none of its tables and columns is missing") as string } });

    await db.exec("ALTER TABLE lh_signal RENAME TO moved; ALTER TABLE lh_bell RENAME TO gone");

    expect(await examine()).toMatchObject({ PostgreSQL: { status: "fail", found: expect.stringContaining("lacks lh_bell, lh_signal") as string } });
    await expect(openView()).rejects.toThrow(names);
    await expect(migratePostgres(db, clusterMigrations)).rejects.toThrow(names);
    await db.exec("ALTER TABLE moved RENAME TO lh_signal; ALTER TABLE gone RENAME TO lh_bell");
    await migratePostgres(db, clusterMigrations);
  });

  it("is named also when a later migration would change it", async () => {
    await db.exec("DROP TABLE lh_signal; DROP TABLE lh_bell");

    await expect(migratePostgres(db, [...clusterMigrations, { name: "9999-later", sql: "ALTER TABLE lh_signal ADD COLUMN later text" }])).rejects.toThrow(names);
  });
});

describe("a column that somebody dropped or renamed", () => {
  const names = expect.objectContaining({ code: "STORE_STATEMENT", message: expect.stringMatching(/schema longhaul at .* lacks lh_payload\.used_at, lh_record\.reason, lh_task\.doubts, which .*Rename.*backup of PostgreSQL/) as string }) as Error;

  it("is named with its table and the remedy by the doctor, by commands and by a worker that would start", async () => {
    await db.exec("ALTER TABLE lh_task RENAME COLUMN doubts TO moved; ALTER TABLE lh_record DROP COLUMN reason; ALTER TABLE lh_payload DROP COLUMN used_at");

    expect(await examine()).toMatchObject({ PostgreSQL: { status: "fail", found: expect.stringContaining("lacks lh_payload.used_at, lh_record.reason, lh_task.doubts") as string } });
    await expect(openView()).rejects.toThrow(names);
    await expect(migratePostgres(db, clusterMigrations)).rejects.toThrow(names);
    await db.exec("ALTER TABLE lh_task RENAME COLUMN moved TO doubts; ALTER TABLE lh_record ADD COLUMN reason text; ALTER TABLE lh_payload ADD COLUMN used_at timestamptz");
    await migratePostgres(db, clusterMigrations);
    expect(await examine()).toMatchObject({ PostgreSQL: { status: "ok" } });
  });

  it("is no matter while another one is added, nor is one that a later migration makes", async () => {
    await db.exec("ALTER TABLE lh_task ADD COLUMN theirs int");
    const later = [...clusterMigrations, { name: "9999-later", sql: "ALTER TABLE lh_signal ADD COLUMN later text" }];

    await migratePostgres(db, later);
    await migratePostgres(db, later);

    await db.exec("ALTER TABLE lh_signal DROP COLUMN later");
    await expect(migratePostgres(db, later)).rejects.toThrow("lacks lh_signal.later,");
  });

  it("is one of ten that are named where very many are gone", async () => {
    const tables = await db.all("SELECT relname AS name FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname IN ('lh_task', 'lh_run')");
    for (const { name } of tables) await db.exec(`ALTER TABLE ${String(name)} RENAME TO moved_${String(name)}; CREATE TABLE ${String(name)} ()`);

    await expect(openView()).rejects.toThrow(/lacks (lh_run\.\w+, ){10}and \d+ more, which/);
  });
});

it.each([["column", "ALTER TABLE lh_task RENAME COLUMN created_at_ms TO moved", "created_at_ms"], ["table", "ALTER TABLE lh_task RENAME TO moved", "lh_task"]])("a %s that goes while a command reads is no bug of longhaul", async (_, sql, name) => {
  const view = await openView();
  onTestFinished(() => view.close());
  await db.exec(sql);

  const { lines } = toFailureReport(await view.tasks({ limit: 1 }).catch((error: unknown) => error));

  expect(lines).toEqual([expect.stringContaining(name), expect.stringMatching(/Next: .*backup of PostgreSQL/)]);
});

describe("Restate, which commands need not reach", () => {
  const both = (check: unknown) => ({ "Restate ingress": check, "Restate admin": check });

  it("is not looked at while nobody says where it is", async () => {
    expect(await examine()).toMatchObject(both({ status: "warn", found: expect.stringMatching(/not looked at/) as string, next: expect.stringMatching(/--restate-(ingress|admin)/) as string }));
  });

  it("may not be reached from here where workers find it, and must be where it was said to be", async () => {
    const store = createPostgresStore({ db, clock: systemClock, random: seededRandom(3) });
    onTestFinished(() => store.close());
    await noteRestate(store.meta, { ingress: nowhere, admin: nowhere });

    expect(await examine()).toMatchObject(both({ status: "warn", found: expect.stringMatching(/127\.0\.0\.1:9, which workers use/) as string }));
    expect(await examine({ restateIngress: nowhere, restateAdmin: nowhere })).toMatchObject(both({ status: "fail" }));
  });

  it("is not looked for where somebody noted what is no address", async () => {
    await db.run("INSERT INTO lh_meta (name, value) VALUES ('restate', $1)", JSON.stringify({ ingress: "restate", admin: "\u001B[2J" }));

    expect(await examine()).toMatchObject(both({ found: expect.stringMatching(/not looked at/) as string }));
  });

  it("is not noted with a password", async () => {
    const store = createPostgresStore({ db, clock: systemClock, random: seededRandom(3) });
    onTestFinished(() => store.close());
    await noteRestate(store.meta, { ingress: nowhere, admin: "http://ann:secret@127.0.0.1:9" });

    expect(await examine()).toMatchObject(both({ found: expect.stringMatching(/not looked at/) as string }));
  });
});

it("a worker that does not reach Restate fails, though the doctor may not reach it either", async () => {
  await addWorker(db, { name: "host, pid 1", uri: "http://10.0.0.1:9080", isAdvertised: false });
  await db.exec("UPDATE lh_worker SET trouble = 'Restate does not answer.'");

  expect(await examine()).toMatchObject({ workers: { status: "fail", found: expect.stringContaining("host, pid 1: Restate does not answer.") as string } });
});
