import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { systemClock } from "../base/clock.ts";
import { messageOf } from "../base/error.ts";
import { seededRandom } from "../base/random.ts";
import { type PostgresServer, startPostgres } from "../db/fixture/postgres-server.ts";
import { migratePostgres } from "../db/postgres-migration.ts";
import { labelOf } from "../db/postgres-pool.ts";
import { PostgresDatabase } from "../db/postgres.ts";
import { clusterMigrations, openOperatorDatabase } from "./cluster-schema.ts";

let server: PostgresServer;
const folder = mkdtempSync(join(tmpdir(), "longhaul-hba-"));
beforeAll(async () => {
  chmodSync(folder, 0o755);
  const rules = join(folder, "hba.conf");
  writeFileSync(rules, "host all named 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n", { mode: 0o644 });
  server = await startPostgres([`hba_file=${rules}`]);
  await server.query("CREATE ROLE named LOGIN PASSWORD 'right'");
  await server.query("CREATE ROLE nobody LOGIN");
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const as = (user: string, url: string, database = new URL(url).pathname): string => `postgres://${user}@127.0.0.1:${server.port}${database}`;

async function migrateAs(url: string): Promise<void> {
  const db = await PostgresDatabase.open({ url, clock: systemClock, random: seededRandom(1), retryForMs: 1_000 });
  onTestFinished(() => db.close());
  await migratePostgres(db, clusterMigrations);
}

const refusal = (says: RegExp) => expect.objectContaining({ code: "STORE_REFUSED", retry: "never", message: expect.stringMatching(says) as string }) as Error;

describe("a server that does not let us in, or not do what is needed", () => {
  it("is told of by what is to be mended", async () => {
    const url = await server.createDatabase();

    await expect(migrateAs(as("named", url))).rejects.toThrow(refusal(/no password.*PGPASSWORD/));
    await expect(migrateAs(as("named:wrong", url))).rejects.toThrow(refusal(/password authentication failed.*Mend the user, the password/));
    await expect(migrateAs(as("unknown", url))).rejects.toThrow(refusal(/role "unknown" does not exist/));
    await expect(migrateAs(as("nobody", url))).rejects.toThrow(refusal(/permission denied for database.*CREATE SCHEMA longhaul AUTHORIZATION/));
    await migrateAs(url);
    await expect(migrateAs(as("nobody", url))).rejects.toThrow(refusal(/permission denied for schema longhaul/));
    await expect(openOperatorDatabase({ store: as("nobody", url), clock: systemClock, random: seededRandom(1) })).rejects.toThrow(refusal(/permission denied for schema longhaul/));
    await server.query(`REVOKE CONNECT ON DATABASE ${new URL(url).pathname.slice(1)} FROM PUBLIC`);
    await expect(migrateAs(as("nobody", url))).rejects.toThrow(refusal(/permission denied for database/));
    await expect(migrateAs(`${url}?sslmode=verify-full`)).rejects.toThrow(refusal(/does not support SSL/));
  });
});

describe("an address", () => {
  it("leads to where it says, or to the usual port, whatever the environment has for other programs", async () => {
    vi.stubEnv("PGPORT", String(server.port));
    vi.stubEnv("PGHOST", "127.0.0.1");
    onTestFinished(() => void vi.unstubAllEnvs());
    const addresses = ["postgres://longhaul@127.0.0.1/postgres", "postgres:///postgres?user=longhaul"];
    const answers = await Promise.all(addresses.map(async (url) => {
      const db = await PostgresDatabase.open({ url, clock: systemClock, random: seededRandom(1), retryForMs: 100 });
      onTestFinished(() => db.close());
      return [db.where, await db.get("SHOW port").then((row) => row?.["port"], (error: unknown) => messageOf(error))];
    }));

    expect(answers.map(([where]) => where)).toEqual(["127.0.0.1:5432/postgres", "localhost:5432/postgres"]);
    for (const [, port] of answers) expect(port).not.toContain(String(server.port));
    expect(labelOf("postgres:///team?host=/run/postgres&port=5433")).toBe("/run/postgres:5433/team");
  });

  it("whose password is not written as addresses are is refused with what to write", () => {
    for (const url of ["postgres://a:p@ss/w#rd@host/db", "postgres://a:p@ss/w@host/db", "postgres://a:p#w@host/db", "postgres://a:p/w@host:5432/db"]) expect(() => labelOf(url)).toThrow(expect.objectContaining({ code: "OPTION_INVALID", message: expect.stringMatching(/%40/) as string }));
    expect(labelOf("postgres://a:p%40ss%2Fw%23rd@host/db")).toBe("host:5432/db");
    expect(labelOf("postgres://a:p@ss@host/db")).toBe("host:5432/db");
  });
});
