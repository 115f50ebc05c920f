import { defineAgent, defineTeam, defineTool } from "longhaul";
import { scriptedModel } from "longhaul/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.remove());

const look = defineTool({ name: "look", description: "Look", inputSchema: z.object({ n: z.number() }), effect: "read", execute: ({ n }) => `page ${n} ${"x".repeat(200)}` });

async function runTurns(turns: number, name: string) {
  const model = scriptedModel((_, number) => (number < turns ? { toolCalls: [{ toolName: "look", input: { n: number } }] } : "done"));
  const agent = defineAgent({ name: "reader", model: "anthropic/test", instructions: "Read.", tools: [look], limits: { turnsMax: 200 } });
  const path = `${directory.path}/${name}`;
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [agent] }), { directory: path, model });
  await team.result(await team.submit("reader", { book: name }));
  const calls = await team.records({ eventTypes: ["model_call"] });
  const transcripts = await Promise.all(calls.map(({ data }) => team.live.messages.transcript(String(data["transcript"]))));
  await team.close();
  const db = SqliteDatabase.openReadOnly(`${path}/longhaul.db`);
  const stored = db.get("SELECT count(*) AS messages, sum(length(content)) AS bytes FROM lh_message");
  db.close();
  return { model, transcripts, messages: Number(stored?.["messages"]), bytes: Number(stored?.["bytes"]) };
}

test("a transcript of 100 turns grows by what is said, not by what was said before", async () => {
  const short = await runTurns(50, "short");
  const long = await runTurns(100, "long");

  // One system and one user message, then an answer and a result for each turn but the last.
  expect(short.messages).toBe(2 + 2 * 50 - 1);
  expect(long.messages).toBe(2 + 2 * 100 - 1);
  expect(long.bytes / short.bytes).toBeLessThan(2.1);
});

test("the record of each model call leads to its full prompt and answer", async () => {
  const { model, transcripts } = await runTurns(4, "team");

  expect(transcripts).toHaveLength(4);
  for (const [index, transcript] of transcripts.entries()) {
    expect(transcript.slice(0, -1)).toEqual(model.calls[index]?.messages);
    expect(transcript.at(-1)?.role).toBe("assistant");
  }
  expect(transcripts[3]?.at(-1)).toEqual({ role: "assistant", parts: [{ type: "text", text: "done" }] });
});
