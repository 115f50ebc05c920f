import * as fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";
import { seededRandom } from "../base/random.ts";
import { type PostgresServer, sharedPostgres } from "./fixture/postgres-server.ts";
import { PostgresDatabase, type PostgresOptions, type PostgresRow, type PostgresSession } from "./postgres.ts";

let server: PostgresServer;
let url: string;
let db: PostgresDatabase;

beforeAll(async () => {
  server = await sharedPostgres();
  url = await server.createDatabase();
  db = await open();
  await db.exec("CREATE TABLE item (name text PRIMARY KEY, size int8)");
});
afterAll(() => db.close());
beforeEach(() => db.exec("DELETE FROM item"));

function open(options: Partial<PostgresOptions> = {}): Promise<PostgresDatabase> {
  return PostgresDatabase.open({ url, clock: systemClock, random: seededRandom(1), ...options });
}

async function names(): Promise<readonly unknown[]> {
  return (await db.all("SELECT name FROM item ORDER BY name")).map((row) => row["name"]);
}

const insert = "INSERT INTO item (name, size) VALUES ($1, $2)";

describe("values", () => {
  it("come back as they were given, whatever a string holds", async () => {
    const text = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("", "\u0000", "\u0001", '\u0001"a"', "\ud800", "a\udc00\u0000b", '\u0001"half'));
    await fc.assert(
      fc.asyncProperty(text, async (value) => {
        expect(await db.get("SELECT $1::text AS value, $2::text = ANY ($3::text[]) AS found", value, value, ["other", value])).toEqual({ value, found: true });
      }),
      { numRuns: 80 },
    );
  });

  it("are whole numbers where the database counts to 64 bits, and never rounded ones", async () => {
    expect(await db.get("SELECT $1::int8 AS big, count(*) AS count, $2::bool AS flag, $3::bytea AS bytes, $4::float8 AS part", Number.MAX_SAFE_INTEGER, true, Buffer.from([0, 255]), 0.1)).toEqual({
      big: Number.MAX_SAFE_INTEGER, count: 1, flag: true, bytes: Buffer.from([0, 255]), part: 0.1,
    });
    await expect(db.get("SELECT 9007199254740993::int8")).rejects.toThrow("9007199254740993");
  });

  it("are told apart from text of another hand that looks like ours", async () => {
    expect(await db.get(`SELECT chr(1) || '"half' AS a, chr(1) AS b`)).toEqual({ a: '\u0001"half', b: "\u0001" });
  });
});

describe("a transaction", () => {
  it("answers with the job's value after its commit", async () => {
    const value = await db.transaction(async (tx) => {
      await tx.run(insert, "a", 1);
      return (await tx.all("SELECT name FROM item")).length;
    });

    expect(value).toBe(1);
    expect(await names()).toEqual(["a"]);
  });

  it("leaves nothing of a job that throws, and gives its connection back", async () => {
    const one = await open({ connectionsMax: 1 });
    for (let count = 0; count < 3; count++) {
      await expect(one.transaction(async (tx) => {
        await tx.run(insert, "lost", 1);
        throw new LonghaulError("BUDGET_EXCEEDED", "no");
      })).rejects.toMatchObject({ code: "BUDGET_EXCEEDED" });
    }

    expect(await names()).toEqual([]);
    await one.close();
  });

  it("is not taken for committed when an error was caught in it", async () => {
    const swallowing = db.transaction(async (tx) => {
      await tx.run(insert, "lost", 1);
      await tx.run(insert, "lost", 1).catch(() => undefined);
    });

    await expect(swallowing).rejects.toMatchObject({ code: "TRANSACTION_SQL" });
    expect(await names()).toEqual([]);
  });

  it("refuses a statement that comes after its function", async () => {
    const escaped = await db.transaction(async (tx) => {
      await tx.run(insert, "a", 1);
      return { tx };
    });

    await expect(escaped.tx.run(insert, "late", 1)).rejects.toMatchObject({ code: "TRANSACTION_SQL" });
    expect(await names()).toEqual(["a"]);
  });

  it("is done again when two meet, until both have their turn", async () => {
    await db.run(insert, "counter", 0);
    const add = (): Promise<void> =>
      db.transaction(async (tx) => {
        const size = Number((await tx.get("SELECT size FROM item WHERE name = 'counter'"))?.["size"]);
        await tx.run("UPDATE item SET size = $1 WHERE name = 'counter'", size + 1);
      }, { isolation: "serializable" });

    await Promise.all(Array.from({ length: 5 }, add));

    expect(await db.get("SELECT size FROM item")).toEqual({ size: 5 });
  });

  it("is done again after a deadlock", async () => {
    await db.run(insert, "a", 0);
    await db.run(insert, "b", 0);
    const add = (first: string, second: string): Promise<void> =>
      db.transaction(async (tx) => {
        await tx.exec("SET LOCAL deadlock_timeout = '20ms'");
        await tx.run("UPDATE item SET size = size + 1 WHERE name = $1", first);
        await tx.get("SELECT pg_sleep(0.05)");
        await tx.run("UPDATE item SET size = size + 1 WHERE name = $1", second);
      });

    await Promise.all([add("a", "b"), add("b", "a")]);

    expect(await db.all("SELECT size FROM item")).toEqual([{ size: 2 }, { size: 2 }]);
  });

  it("gives up with a coded error when the lock that it needs is never free", async () => {
    const hasty = await open({ lockTimeoutMs: 10, retryForMs: 100 });
    await db.run(insert, "a", 0);

    await db.transaction(async (tx) => {
      await tx.run("UPDATE item SET size = 1 WHERE name = 'a'");
      await expect(hasty.run("UPDATE item SET size = 2 WHERE name = 'a'")).rejects.toMatchObject({ code: "STORE_CONFLICT", retry: "backoff" });
    });
    await hasty.close();
  });
});

describe("the database", () => {
  it("takes one statement of a user at a time", async () => {
    expect(await db.allOnce("SELECT 1 AS one")).toEqual([{ one: 1 }]);
    await expect(db.allOnce("SELECT 1; SELECT 2")).rejects.toThrow(/multiple commands/);
  });

  it("ends a statement that runs too long, and is told what the server said", async () => {
    const strict = await open({ statementTimeoutMs: 30 });

    await expect(strict.get("SELECT pg_sleep(5)")).rejects.toThrow(/statement timeout/);
    await strict.close();
  });

  it("goes on where a newer version added a column to a table of its kept statements, on all of its connections", async () => {
    await db.exec("CREATE TABLE growing (name text); INSERT INTO growing VALUES ('a')");
    const many = await open({ connectionsMax: 20 });
    const select = (session: PostgresSession): Promise<readonly PostgresRow[]> => session.all("SELECT * FROM growing, pg_sleep(0.05)");
    const all = (): Promise<readonly (readonly PostgresRow[])[]> =>
      Promise.all(Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? select(many) : many.transaction(select))));
    await all();

    for (const column of ["one", "two"]) {
      await db.exec(`ALTER TABLE growing ADD COLUMN ${column} int`);
      expect((await all()).map(([row]) => column in (row ?? {}))).toEqual(Array.from({ length: 20 }, () => true));
    }
    await many.close();
  });

  it("uses no more connections than it may", async () => {
    const two = await open({ connectionsMax: 2 });
    const backends = await Promise.all(Array.from({ length: 12 }, () => two.get("SELECT pg_backend_pid() AS pid, pg_sleep(0.005)")));

    expect(new Set(backends.map((row) => row?.["pid"])).size).toBeLessThanOrEqual(2);
    await two.close();
  });

  it("says where it was refused, without the password", async () => {
    const wrong = await open({ url: url.replace("longhaul@", "nobody:secret@") });

    const error: unknown = await wrong.get("SELECT 1").catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "STORE_REFUSED" });
    expect(String(error)).toContain(`127.0.0.1:${server.port}/test_`);
    expect(String(error)).not.toContain("secret");
    await wrong.close();
  });

  it.each(["mysql://localhost/x", "nonsense", ""])("refuses the address %j", async (address) => {
    await expect(open({ url: address })).rejects.toMatchObject({ code: "OPTION_INVALID" });
  });

  it("refuses a schema that would need quotes", async () => {
    await expect(open({ schema: "Mine; DROP" })).rejects.toMatchObject({ code: "OPTION_INVALID" });
  });

  it("finishes what was asked before it is closed, also what waits for a connection", async () => {
    const closing = await open({ connectionsMax: 1 });
    const asked = [1, 2, 3].map((one) => closing.get("SELECT $1::int AS one, pg_sleep(0.01)", one));
    await closing.close();

    expect((await Promise.all(asked)).map((row) => row?.["one"])).toEqual([1, 2, 3]);
  });

  it("refuses work once it is closed, and may be closed twice", async () => {
    const closed = await open();
    await closed.close();
    await closed.close();

    await expect(closed.get("SELECT 1")).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
  });
});
