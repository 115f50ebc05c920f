import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { sleep, systemClock } from "../base/clock.ts";
import { seededRandom } from "../base/random.ts";
import { type PostgresServer, startPostgres } from "./fixture/postgres-server.ts";
import { PostgresDatabase, type PostgresOptions } from "./postgres.ts";

const insert = "INSERT INTO item (id) VALUES ($1) ON CONFLICT DO NOTHING";
const cutOthers = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'longhaul'";

let server: PostgresServer;
let db: PostgresDatabase;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.close());
beforeEach(async () => {
  db = await open();
  await db.exec("CREATE TABLE IF NOT EXISTS item (id int PRIMARY KEY); DELETE FROM item");
});
afterEach(async () => {
  await server.start();
  await db.close();
});

function open(options: Partial<PostgresOptions> = {}): Promise<PostgresDatabase> {
  return PostgresDatabase.open({ url: server.url(), clock: systemClock, random: seededRandom(1), ...options });
}

/** Writes 1, 2, 3, … on four connections until `trouble` is over and each writer had one more success; returns what was acknowledged. */
async function writeDuring(trouble: () => Promise<void>): Promise<readonly number[]> {
  const acknowledged: number[] = [];
  let next = 0;
  let isOver = false;
  const write = async (): Promise<void> => {
    for (let isLast = false; !isLast; ) {
      isLast = isOver;
      const id = ++next;
      await db.transaction((tx) => tx.run(insert, id), { idempotent: true });
      acknowledged.push(id);
    }
  };
  const writers = Array.from({ length: 4 }, write);
  await trouble();
  isOver = true;
  await Promise.all(writers);
  return acknowledged.toSorted((a, b) => a - b);
}

async function stored(): Promise<readonly unknown[]> {
  return (await db.all("SELECT id FROM item ORDER BY id")).map((row) => row["id"]);
}

describe("traffic of idempotent transactions", () => {
  it.each<[string, () => Promise<void>]>([
    ["is restarted", async () => {
      await server.stop("fast");
      await sleep(systemClock, 100);
      await server.start();
    }],
    ["is killed and comes back", async () => {
      await server.stop("kill");
      await server.start();
    }],
    ["cuts connections again and again", async () => {
      for (let round = 0; round < 10; round++) await server.query(cutOthers);
    }],
  ])("loses and repeats nothing while the server %s", async (_, trouble) => {
    const acknowledged = await writeDuring(async () => {
      await sleep(systemClock, 50);
      await trouble();
      await sleep(systemClock, 50);
    });

    expect(acknowledged.length).toBeGreaterThan(10);
    expect(await stored()).toEqual(acknowledged);
  });
});

describe("a connection that is lost", () => {
  it("while idle is replaced without a word", async () => {
    await Promise.all([1, 2, 3].map(() => db.get("SELECT pg_sleep(0.01)")));
    await server.query(cutOthers);

    expect(await db.get("SELECT 1 AS one")).toEqual({ one: 1 });
  });

  it("within a transaction begins it anew, whole", async () => {
    let tries = 0;
    await db.transaction(async (tx) => {
      await tx.run(insert, ++tries);
      if (tries === 1) await server.query(cutOthers);
      await tx.run(insert, 100);
    });

    expect(tries).toBe(2);
    expect(await stored()).toEqual([2, 100]);
  });

  it("during COMMIT is said to be ambiguous, unless the work is idempotent", async () => {
    // A deferred trigger runs during COMMIT: there the backend ends itself, once.
    await db.exec(`CREATE SEQUENCE IF NOT EXISTS cut; SELECT setval('cut', 1);
      CREATE OR REPLACE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('cut') % 2 = 0 THEN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); END IF; RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION cut()`);

    await expect(db.transaction((tx) => tx.run(insert, 1))).rejects.toMatchObject({ code: "STORE_COMMIT_UNKNOWN", retry: "backoff" });
    expect(await stored()).toEqual([]);
    await db.exec("SELECT setval('cut', 1)");
    await db.transaction((tx) => tx.run(insert, 2), { idempotent: true });

    expect(await stored()).toEqual([2]);
    await db.exec("DROP TRIGGER cut ON item");
  });
});

describe("a server that stays away", () => {
  it("is waited for as long as was asked, then named with what to do", async () => {
    const hasty = await open({ retryForMs: 100 });
    await server.stop("fast");

    await expect(hasty.get("SELECT 1")).rejects.toMatchObject({ code: "STORE_UNREACHABLE", retry: "backoff", message: expect.stringContaining(`127.0.0.1:${server.port}/postgres`) as string });
    await hasty.close();
  });

  it("does not keep close waiting", async () => {
    await server.stop("fast");
    const asked = db.get("SELECT 1");
    const closing = db.close();

    await expect(asked).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
    await closing;
  });
});
