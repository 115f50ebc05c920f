import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../base/clock.ts";
import type { Json } from "../base/json.ts";
import { seededRandom } from "../base/random.ts";
import { sharedPostgres } from "./fixture/postgres-server.ts";
import { migratePostgres } from "./postgres-migration.ts";
import { loadJson, payloadMigrations, storeJson } from "./postgres-payload.ts";
import { PostgresDatabase } from "./postgres.ts";

let db: PostgresDatabase;

beforeAll(async () => {
  db = await PostgresDatabase.open({ url: await (await sharedPostgres()).createDatabase(), clock: systemClock, random: seededRandom(1) });
  await migratePostgres(db, payloadMigrations);
});
beforeEach(() => db.exec("DELETE FROM lh_payload"));
afterAll(() => db.close());

const store = (...values: readonly Json[]): Promise<readonly string[]> => storeJson(db, values.map((value) => JSON.stringify(value)));

describe("payloads", () => {
  it("keep a long part once, wherever it is quoted, also payloads within payloads", async () => {
    const document = "word \u0000".repeat(2_000);
    const rows = Array.from({ length: 500 }, (_, id) => ({ id, text: `row ${id}` }));
    const deep = Array.from({ length: 5 }, (_, id) => ({ id, rows, long: `${id}`.repeat(5_000), many: rows.map((row) => ({ ...row, id })) }));
    const values: readonly Json[] = [{ ok: true, value: document }, [{ type: "text", text: document }, rows], deep, "short", { $payload: "0123" }];

    const texts = await store(...values);

    expect(Math.max(...texts.map((text) => text.length))).toBeLessThan(1_500);
    expect(await loadJson(db, texts)).toEqual(values);
    expect(await db.get("SELECT count(*) AS count FROM lh_payload WHERE value LIKE '\"word%'")).toEqual({ count: 1 });
  });

  it("are kept by many transactions at once, in whatever order each has them", async () => {
    const documents = Array.from({ length: 20 }, (_, id) => `${id} `.repeat(3_000));
    const some = (start: number): readonly Json[] => documents.map((_, index) => documents[(start * 7 + index * 3) % 20] ?? "");

    const texts = await Promise.all(documents.map((_, start) => db.transaction((tx) => storeJson(tx, some(start).map((value) => JSON.stringify(value))))));

    expect(await db.get("SELECT count(*) AS count FROM lh_payload")).toEqual({ count: 20 });
    expect(await loadJson(db, texts[3] ?? [])).toEqual(some(3));
  });

  it("name one that is missing", async () => {
    await expect(loadJson(db, ['{"$payload":"00"}'])).rejects.toThrow("payload 00 is not in the database");
  });
});
