import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Json } from "../base/json.ts";
import { migrate } from "./migration.ts";
import { inlineLengthMax } from "./payload-text.ts";
import { loadJson, payloadMigration, storeJson } from "./payload.ts";
import { SqliteDatabase } from "./sqlite.ts";

let db: SqliteDatabase;
beforeEach(() => {
  db = SqliteDatabase.open(":memory:");
  migrate(db, [payloadMigration]);
});
afterEach(() => db.close());

const store = (value: Json): string => storeJson(db, JSON.stringify(value));
const stored = (): readonly string[] => db.all("SELECT value FROM lh_payload ORDER BY serial").map((row) => String(row["value"]));

describe("payloads", () => {
  it("leave a short value as it is", () => {
    expect(store({ a: "x".repeat(inlineLengthMax - 8) })).toBe(`{"a":"${"x".repeat(inlineLengthMax - 8)}"}`);
    expect(stored()).toEqual([]);
  });

  it("keep a long part once, wherever it is quoted", () => {
    const document = "word ".repeat(2_000);
    const rows = Array.from({ length: 500 }, (_, id) => ({ id, name: `row ${id}` }));

    const texts = [store({ ok: true, value: document }), store([{ type: "text", text: document }, rows]), store({ output: { rows, document } })];

    expect(stored()).toHaveLength(2);
    expect(Math.max(...texts.map((text) => text.length))).toBeLessThan(200);
    expect(texts.map((text) => loadJson(db, text))).toEqual([{ ok: true, value: document }, [{ type: "text", text: document }, rows], { output: { rows, document } }]);
  });

  it("give back what a user wrote in their words", () => {
    const values: readonly Json[] = [{ $payload: "0123" }, { $payload: null, value: 1 }, [{ a: { $payload: { $payload: "x".repeat(9_000) } } }], "$payload", '{"$payload":"0123"}', { "": [] }];
    for (const value of values) expect(loadJson(db, store(value))).toEqual(value);
  });

  it("give back what is nested too deep to be taken apart", () => {
    const nest = (depth: number, core: string): string => `${'{"a":['.repeat(depth)}${core}${"]}".repeat(depth)}`;
    for (const text of [nest(2_000, '{"$payload":"0123"}'), nest(150, '"' + "x".repeat(9_000) + '"'), nest(90, `["${'\\"[{'.repeat(3_000)}"]`)]) {
      expect(JSON.stringify(loadJson(db, storeJson(db, text)))).toBe(JSON.stringify(JSON.parse(text)));
    }
    expect(stored().filter((text) => text.startsWith('{"a":[{"a"'))).toHaveLength(2);
  });

  it("name a payload that is missing, and the file", () => {
    expect(() => loadJson(db, '{"$payload":"00"}')).toThrow("payload 00 is not in :memory:");
  });

  it("give back every value", () => {
    const long = fc.nat({ max: 3 }).map((size) => "long ".repeat(size * 1_000));
    const key = fc.oneof(fc.constant("$payload"), fc.constant("value"), fc.string());
    const { tree } = fc.letrec<{ tree: Json }>((tie) => ({
      tree: fc.oneof({ maxDepth: 4 }, long, fc.constant(null), fc.boolean(), fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Object.is(n, -0) ? 0 : n)), fc.array(tie("tree"), { maxLength: 4 }), fc.dictionary(key, tie("tree"), { maxKeys: 4 })),
    }));
    fc.assert(fc.property(tree, (value) => {
      expect(JSON.stringify(loadJson(db, store(value)))).toBe(JSON.stringify(value));
    }), { numRuns: 300 });
  });
});
