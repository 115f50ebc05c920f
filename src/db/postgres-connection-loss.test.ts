import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { sleep, systemClock } from "../base/clock.ts";
import { until } from "../base/fixture/until.ts";
import { seededRandom } from "../base/random.ts";
import { createLosingProxy } from "./fixture/losing-proxy.ts";
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

/** Writes 1, 2, 3, … on four connections; `trouble` comes in the midst of it, and each writer has one more success after it. Returns what was acknowledged. */
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
  const writing = Promise.all(Array.from({ length: 4 }, write));
  await Promise.race([writing, until("work is under way", () => acknowledged.length >= 8)]);
  await trouble();
  isOver = true;
  await writing;
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
    const acknowledged = await writeDuring(trouble);

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
    const proxy = await createLosingProxy(server.port);
    const through = await open({ url: server.url().replace(String(server.port), String(proxy.port)) });

    proxy.loseCommits((commit) => commit === 1);
    await expect(through.transaction((tx) => tx.run(insert, 1))).rejects.toMatchObject({ code: "STORE_COMMIT_UNKNOWN", retry: "backoff" });
    expect(await stored()).toEqual([1]);

    proxy.loseCommits((commit) => commit <= 3);
    let tries = 0;
    await through.transaction((tx) => {
      tries++;
      return tx.run(insert, 2);
    }, { idempotent: true });
    expect(tries).toBe(4);
    expect(await stored()).toEqual([1, 2]);
    await through.close();
    await proxy.close();
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

describe("a server that becomes a standby", () => {
  it("is left for the one that can write", async () => {
    // What a standby says, of a database that was set so; it is set back while the work is tried again.
    const url = await server.createDatabase();
    const name = new URL(url).pathname.slice(1);
    const writer = await open({ url });
    await writer.exec("CREATE TABLE item (id int PRIMARY KEY)");
    await server.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on; ${cutOthers}`);
    let tries = 0;

    await writer.transaction(async (tx) => {
      if (++tries === 3) await server.query(`ALTER DATABASE ${name} RESET default_transaction_read_only`);
      await tx.run(insert, 1);
    });

    expect(tries).toBeGreaterThanOrEqual(3);
    expect(await writer.all("SELECT id FROM item")).toEqual([{ id: 1 }]);
    await writer.close();
  });
});
