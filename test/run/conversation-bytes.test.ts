import { defineAgent, defineTeam, defineTool } from "longhaul";
import { scriptedModel } from "longhaul/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

const turns = 100;
const every = 25;
/** What the model says in each turn, and what the tool answers. */
const said = "s".repeat(1_000);
const found = "f".repeat(2_000);

type Bytes = Readonly<Record<string, number>>;

/** The bytes of each table's values, and of the file as a whole. */
function measure(file: string): Bytes {
  const db = SqliteDatabase.openReadOnly(file);
  try {
    const tables = db.all("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'lh\\_%' ESCAPE '\\'").map((row) => String(row["name"]));
    const ofTable = (table: string): number => {
      const columns = db.all(`SELECT name FROM pragma_table_info('${table}')`).map((row) => `coalesce(length(CAST("${String(row["name"])}" AS BLOB)), 0)`);
      return Number(db.get(`SELECT total(${columns.join(" + ")}) AS bytes FROM ${table}`)?.["bytes"]);
    };
    const pages = db.get("SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()");
    return { ...Object.fromEntries(tables.map((table) => [table, ofTable(table)])), file: Number(pages?.["bytes"]) };
  } finally {
    db.close();
  }
}

test("a conversation of 100 turns with messages of one size grows by the same bytes in each quarter, in every table and in the file", async () => {
  const directory = temporaryDirectory();
  const file = `${directory.path}/longhaul.db`;
  const measured: Bytes[] = [];
  const model = scriptedModel((_, call) => {
    // Everything of the turns before is on disk when the model is asked again.
    if ((call - 1) % every === 0) measured.push(measure(file));
    return call <= turns ? { text: said, toolCalls: [{ toolName: "look", input: { page: 1_000 + call } }] } : "done";
  });
  const look = defineTool({ name: "look", description: "Look", inputSchema: z.object({ page: z.number() }), effect: "read", execute: () => found });
  const agent = defineAgent({ name: "reader", model: "anthropic/test", instructions: "Read.", tools: [look], limits: { turnsMax: turns + 1 } });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [agent] }), { directory: directory.path, model });

  expect(await team.result(await team.submit("reader", null))).toMatchObject({ status: "done" });
  await team.close();
  directory.remove();

  const perTurn = (name: string): readonly number[] => measured.slice(1).map((bytes, index) => ((bytes[name] ?? 0) - (measured[index]?.[name] ?? 0)) / every);
  const figures = Object.fromEntries(Object.keys(measured[0] ?? {}).map((name) => [name, perTurn(name).map(Math.round)]).filter(([, growth]) => (growth as readonly number[]).some((bytes) => bytes > 0)));
  process.stdout.write(`bytes per turn, of turns 1-25, 26-50, 51-75, 76-100: ${JSON.stringify(figures)}\n`);

  expect(measured).toHaveLength(1 + turns / every);
  for (const name of ["lh_journal", "lh_message", "lh_record"]) {
    const [first = 0, ...rest] = perTurn(name);
    expect(first, `${name} grows`).toBeGreaterThan(0);
    for (const growth of rest) expect(Math.abs(growth / first - 1), `${name}: ${perTurn(name).join(", ")}`).toBeLessThan(0.05);
  }
  // A turn stores what was said and found twice, in the journal and in the transcript, and what SQLite needs around it: about 9,600 bytes.
  for (const growth of perTurn("file")) expect(growth, `bytes: ${perTurn("file").join(", ")}`).toBeLessThan(4 * (said.length + found.length));
});
