import { cpSync } from "node:fs";
import { join } from "node:path";
import { defineAgent, defineFlow, defineTeam } from "longhaul";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import { scriptedModel } from "../../src/model/scripted.ts";
import { dataDirectory } from "../../src/runtime/data-directory.ts";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

let folder: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  folder = temporaryDirectory();
});
afterEach(() => folder.remove());

const document = "It was a dark and stormy night. ".repeat(10_000);
const reader = defineAgent({ name: "reader", input: z.object({ document: z.string() }), output: z.object({ document: z.string() }), model: "anthropic/claude-haiku-4-5", instructions: "Repeat it.", prompt: ({ document: text }) => text });
const flow = defineFlow({
  name: "library",
  input: z.object({ document: z.string() }),
  run: async (ctx, input) => {
    const fetched = await ctx.step("fetch", () => input.document);
    const read = await ctx.call(reader, { document: fetched });
    await ctx.sleep("1h");
    return { document: read.output.document };
  },
});

test("a document that a task is given, steps return, a child reads, a model repeats and records show is in the file once", async () => {
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [reader], flows: [flow] }), { directory: join(folder.path, "data"), model: scriptedModel({ object: { document } }) });
  const taskId = await team.submit("library", { document });
  await team.advance(60_000);

  const directory = join(folder.path, "later");
  cpSync(join(folder.path, "data"), directory, { recursive: true });
  const after = await openDiskTeam(team.live.team, { directory, model: scriptedModel({ object: { document } }), startAtMs: team.clock.now() + 60_000 });
  const end = await after.result(taskId);

  expect(end).toMatchObject({ status: "done", output: { document } });
  expect((await after.task(taskId)).input).toEqual({ document });
  expect((await after.records({ taskId, eventTypes: ["task"] })).map(({ data }) => data["input"] ?? null)).toContainEqual({ document });
  const db = SqliteDatabase.openReadOnly(dataDirectory(directory).database);
  const payloads = db.all("SELECT value FROM lh_payload").map((row) => String(row["value"]));
  const bytes = Number(db.get("PRAGMA page_count")?.["page_count"]) * 4_096;
  db.close();
  expect(payloads).toEqual([JSON.stringify(document)]);
  expect(bytes).toBeLessThan(2.5 * document.length);
  await after.close();
  await team.close();
});
