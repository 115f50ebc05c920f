import { statSync } from "node:fs";
import { join } from "node:path";
import { defineAgent, defineTeam, defineTool, type TeamDefinition } from "longhaul";
import { scriptedModel } from "longhaul/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import { payloadColumns } from "../../src/runtime/file-upkeep.ts";
import { listedTasks } from "../../src/runtime/retention.ts";
import { type DiskTeam, type DiskTeamOptions, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

let directory: ReturnType<typeof temporaryDirectory>;
let teams: DiskTeam[];
beforeEach(() => {
  directory = temporaryDirectory();
  teams = [];
});
afterEach(async () => {
  for (const team of teams) await team.close();
  directory.remove();
});

async function open(definition: TeamDefinition, changes: Partial<DiskTeamOptions> = {}): Promise<DiskTeam> {
  const team = await openDiskTeam(definition, { directory: join(directory.path, "data"), leaseMs: 365 * dayMs, ...changes });
  teams.push(team);
  return team;
}

/** Rows of each table of ours. */
function countRows(): Readonly<Record<string, number>> {
  return withFile((db) => {
    const tables = db.allOnce("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'lh\\_%' ESCAPE '\\'").map((row) => String(row["name"]));
    return Object.fromEntries(tables.map((table) => [table, Number(db.allOnce(`SELECT count(*) AS n FROM ${table}`)[0]?.["n"])]));
  });
}

function withFile<T>(look: (db: SqliteDatabase) => T): T {
  const db = SqliteDatabase.openReadOnly(join(directory.path, "data", "longhaul.db"));
  try {
    return look(db);
  } finally {
    db.close();
  }
}

const steps = defineAgent({
  name: "steps", limits: { concurrency: 100 },
  run: async (ctx, input) => {
    await ctx.step("one", () => 1);
    await ctx.step("two", () => 2);
    return input;
  },
});
const patient = defineAgent({ name: "patient", limits: { deadline: "90d" }, expect: { progressWithin: "100d" }, run: async (ctx) => ((await ctx.step("before", () => "kept")), ctx.waitFor("go")) });
const failing = defineAgent({ name: "failing", limits: { concurrency: 100 }, expect: { progressWithin: "100d" }, run: async (ctx) => ((await ctx.step("one", () => 1)), Promise.reject(new Error("broken"))) });

/** So many tasks of an agent, ended now. */
async function runMany(team: DiskTeam, agent: string, count: number): Promise<readonly string[]> {
  const ids = await Promise.all(Array.from({ length: count }, (_, index) => team.submit(agent, index)));
  await team.settle();
  return ids;
}

describe("journals", () => {
  it("are forgotten 7 days after the end of their task, and not a day before", async () => {
    const team = await open(defineTeam({ name: "t", agents: [steps] }));
    const ids = await runMany(team, "steps", listedTasks + 20);

    await team.advance(6 * dayMs);
    expect(countRows()).toMatchObject({ lh_task: ids.length, lh_journal: 2 * ids.length });

    await team.advance(2 * dayMs);
    expect(countRows(), "what health is judged by stays listed").toMatchObject({ lh_task: listedTasks, lh_run: listedTasks, lh_journal: 0, lh_progress_mark: 0 });
  });

  it("are kept for as long as retention.journals says", async () => {
    const team = await open(defineTeam({ name: "t", agents: [steps], retention: { journals: "2h" } }));
    await runMany(team, "steps", 3);

    await team.advance(2 * hourMs - 60_000);
    expect(countRows()).toMatchObject({ lh_journal: 6 });
    await team.advance(2 * hourMs);
    expect(countRows()).toMatchObject({ lh_journal: 0 });
  });

  it("stay while the run is open or waits, and those of tasks that it called too", async () => {
    const parent = defineAgent({ name: "parent", limits: { deadline: "90d" }, expect: { progressWithin: "100d" }, run: async (ctx) => ((await ctx.call(steps, 1)), (await ctx.waitFor("go"))) });
    const team = await open(defineTeam({ name: "t", agents: [steps, patient, parent], retention: { journals: "1d" } }));
    const [waiting, calling] = [await team.submit("patient", null), await team.submit("parent", null)];

    await team.advance(40 * dayMs);
    expect(countRows()).toMatchObject({ lh_task: 3, lh_journal: 4 });

    for (const id of [waiting, calling]) await team.live.operations.signal((await team.task(id)).runId ?? "", "go", null);
    expect(await team.result(waiting)).toMatchObject({ status: "done" });
    await team.advance(3 * dayMs);
    expect(countRows()).toMatchObject({ lh_journal: 0 });
  });

  it("of dead letters are kept for retention.deadLetters, 90 days without it", async () => {
    const team = await open(defineTeam({ name: "t", agents: [failing], retention: { journals: "1d", deadLetters: "10d" } }));
    const [dead = ""] = await runMany(team, "failing", 1);
    await team.advance(9 * dayMs);
    expect(countRows()).toMatchObject({ lh_journal: 1 });
    await team.advance(2 * dayMs);
    expect(countRows()).toMatchObject({ lh_journal: 0 });
    await team.close();
    teams.length = 0;

    const other = await open(defineTeam({ name: "t", agents: [failing] }), { directory: join(directory.path, "data"), startAtMs: team.clock.now() + 1, seed: 2 });
    await runMany(other, "failing", 1);
    await other.advance(80 * dayMs);
    expect(countRows()).toMatchObject({ lh_journal: 1 });
    await other.advance(11 * dayMs);
    expect(countRows()).toMatchObject({ lh_journal: 0 });
    expect(await other.task(dead)).toMatchObject({ status: "dead" });
  });

  it("of canceled tasks go with the tasks", async () => {
    const team = await open(defineTeam({ name: "t", agents: [patient] }));
    const id = await team.submit("patient", null);
    await team.settle();
    await team.live.operations.cancel(id, "not wanted");
    await team.advance(8 * dayMs);

    expect(countRows()).toMatchObject({ lh_task: 0, lh_run: 0, lh_journal: 0 });
  });

  it("of an agent whose earlier outputs may stand in are kept as long as those may", async () => {
    const cautious = defineAgent({ name: "cautious", fallback: [{ kind: "cached", within: "20d" }], verify: ({ accept }) => accept({}), run: async (ctx) => ctx.step("one", () => 1) });
    const team = await open(defineTeam({ name: "t", agents: [cautious] }));
    await runMany(team, "cautious", 1);

    await team.advance(19 * dayMs);
    expect(countRows()).toMatchObject({ lh_journal: 2 });
    await team.advance(2 * dayMs);
    expect(countRows()).toMatchObject({ lh_journal: 0 });
  });
});

describe("idempotency keys", () => {
  it("outlive what is forgotten of their task: it starts once in 400 days, and once more after them", async () => {
    const team = await open(defineTeam({ name: "t", agents: [patient], retention: { journals: "1h" } }));
    const id = await team.submit("patient", null, "order-7");
    await team.settle();
    await team.live.operations.cancel(id, "not wanted");
    await team.advance(30 * dayMs);
    expect(countRows()).toMatchObject({ lh_task: 0, lh_key: 1 });

    expect(await team.submit("patient", null, "order-7")).toBe(id);
    await expect(team.live.operations.result(id)).rejects.toMatchObject({ code: "TASK_FORGOTTEN" });

    await team.advance(372 * dayMs);
    expect(countRows()).toMatchObject({ lh_key: 0 });
    expect(await team.submit("patient", null, "order-7")).not.toBe(id);
  });
});

describe("records", () => {
  const tool = defineTool({ name: "look", description: "Looks", inputSchema: z.object({}), effect: "once", execute: async () => ({ document: "word ".repeat(4_000) }) });
  const asking = defineAgent({ name: "asking", model: "anthropic/test", instructions: "Look.", tools: [tool], limits: { concurrency: 10 } });
  const model = () => scriptedModel(({ messages }) => (messages.at(-1)?.role === "tool" ? `done ${messages.length}` : { toolCalls: [{ toolName: "look", input: {} }] }));

  it("are forgotten after 30 days with their transcripts, their large values and what was booked; what agents used stays by the hour for 400", async () => {
    const team = await open(defineTeam({ name: "t", agents: [asking, steps] }), { model: model() });
    const startAtMs = team.clock.now();
    await runMany(team, "asking", listedTasks + 5);
    const usage = () => team.live.records.usageByAgent({ sinceMs: startAtMs - hourMs, untilMs: startAtMs + 500 * dayMs });
    const used = await usage();
    expect(used).toMatchObject([{ agent: "asking", modelCalls: 2 * (listedTasks + 5), toolCalls: listedTasks + 5 }]);
    expect(withFile((db) => db.allOnce("SELECT value FROM lh_payload"))).toHaveLength(1);

    await team.advance(29 * dayMs);
    expect(await team.records({ agent: "asking" })).not.toEqual([]);
    expect(countRows()).toMatchObject({ lh_effect: 0, lh_reservation: 2 * (listedTasks + 5) });

    await team.advance(3 * dayMs);
    const counts = countRows();
    expect(counts).toMatchObject({ lh_message: 0, lh_payload: 0, lh_reservation: 2 * listedTasks, lh_task_money: listedTasks });
    expect(counts["lh_usage_hour"]).toBeGreaterThan(0);
    expect(await usage()).toEqual(used);

    await team.advance(400 * dayMs);
    expect(countRows()).toMatchObject({ lh_usage_hour: 0, lh_day_money: 0 });
  });

  it("keep a transcript as long as one record names it or goes on from it", async () => {
    const team = await open(defineTeam({ name: "t", agents: [asking] }), { model: model() });
    await runMany(team, "asking", 1);
    await team.advance(20 * dayMs);
    await runMany(team, "asking", 1);
    const [last] = (await team.records({ eventTypes: ["model_call"] })).slice(-1);
    const transcript = await team.live.messages.transcript(String(last?.data["transcript"]));
    expect(transcript.length).toBeGreaterThan(2);

    await team.advance(20 * dayMs);

    expect((await team.records({ eventTypes: ["model_call"] }))).toHaveLength(2);
    expect(await team.live.messages.transcript(String(last?.data["transcript"]))).toEqual(transcript);
  });

  it("are kept for as long as retention.records says, and hours as long as retention.rollups does", async () => {
    const team = await open(defineTeam({ name: "t", agents: [asking], retention: { records: "2d", rollups: "5d" } }), { model: model() });
    await runMany(team, "asking", 2);
    await team.advance(1.9 * dayMs);
    expect(countRows()["lh_message"]).toBeGreaterThan(0);
    await team.advance(1.2 * dayMs);
    expect(countRows()).toMatchObject({ lh_message: 0 });
    expect(countRows()["lh_usage_hour"]).toBe(1);
    await team.advance(4 * dayMs);
    expect(countRows()).toMatchObject({ lh_usage_hour: 0 });
  });

  it("names every column in which a large value is referred to", async () => {
    const team = await open(defineTeam({ name: "t", agents: [asking, patient, steps] }), { model: model() });
    const long = "long ".repeat(2_000);
    await team.submit("steps", long);
    await team.submit("asking", long);
    const waiting = await team.submit("patient", long);
    await team.settle();
    await team.live.operations.signal((await team.task(waiting)).runId ?? "", "later", long);
    await team.settle();

    const found = withFile((db) =>
      db.allOnce("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'lh\\_%' ESCAPE '\\'").flatMap(({ name }) =>
        db.allOnce(`PRAGMA table_info(${String(name)})`).flatMap((column) => (Number(db.allOnce(`SELECT count(*) AS n FROM ${String(name)} WHERE instr(${String(column["name"])}, '"$payload"') > 0`)[0]?.["n"]) > 0 ? [`${String(name)}.${String(column["name"])}`] : [])),
      ),
    );
    const known = Object.entries(payloadColumns).flatMap(([table, columns]) => columns.map((column) => `${table}.${column}`));
    expect(found.filter((column) => !known.includes(column))).toEqual([]);
    expect(found).toEqual(expect.arrayContaining(["lh_task.input", "lh_task.end", "lh_journal.outcome", "lh_signal.payload", "lh_message.content", "lh_effect.result"]));
  });
});

describe("the file", () => {
  it("gives back to the disk what it no longer needs", async () => {
    const large = defineAgent({ name: "large", limits: { concurrency: 100 }, run: async (ctx, input) => ctx.step("one", () => `${String(input)} ${"x".repeat(60_000)}`) });
    const team = await open(defineTeam({ name: "t", agents: [large], retention: { journals: "1d", records: "1d", rollups: "2d" } }));
    await runMany(team, "large", 300);
    await team.advance(hourMs);
    const before = withFile((db) => db.size);

    await team.advance(4 * dayMs);
    await runMany(team, "large", 1);
    await team.advance(2 * hourMs);

    const after = withFile((db) => db.size);
    expect(before.pages).toBeGreaterThan(4_000);
    expect(after.pages).toBeLessThan(before.pages * 0.6);
    expect(statSync(join(directory.path, "data", "longhaul.db")).size).toBe(after.pages * after.pageBytes);
  });
});
