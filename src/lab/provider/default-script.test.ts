import { expect, test } from "vitest";
import { z } from "zod";
import { seededRandom } from "../../base/random.ts";
import type { JsonObject } from "../../base/json.ts";
import { defaultScript } from "./default-script.ts";
import { synthesizeValue } from "./schema-value.ts";
import { replyText, type SimulatedReply } from "./simulated-reply.ts";
import type { SimulatedMessage, SimulatedRequest } from "./simulated-request.ts";

const textSchema: JsonObject = { type: "object", properties: { q: { type: "string" } }, required: ["q"] };
const toolNamed = (name: string) => ({ name, description: null, inputSchema: textSchema });
const asked: SimulatedMessage = { role: "user", parts: [{ type: "text", text: "Hello" }] };
const called = (name: string): SimulatedMessage => ({ role: "assistant", parts: [{ type: "tool-call", id: name, name, input: {} }] });
const answered = (name: string): SimulatedMessage => ({ role: "user", parts: [{ type: "tool-result", id: name, text: "found", isError: false }] });

function script(overrides: Partial<SimulatedRequest>): SimulatedReply | Promise<SimulatedReply> {
  const request: SimulatedRequest = {
    wire: "openai-chat",
    model: "m",
    system: null,
    messages: [asked],
    tools: [],
    toolChoice: { type: "auto" },
    responseFormat: null,
    maxOutputTokens: null,
    stream: false,
    headers: {},
    body: {},
    ...overrides,
  };
  return defaultScript(request, { random: seededRandom(1), callNumber: 1 });
}

const calls = (name: string) => ({ parts: [{ type: "tool-call", name, input: { q: "simulated q" } }] });

test("answers in words where there is no tool", async () => {
  expect(await script({})).toEqual(replyText("This is a simulated answer. Tool results in this turn: 0."));
});

test("calls the first tool, and answers when its result is there", async () => {
  const tools = [toolNamed("search"), toolNamed("fetch")];

  expect(await script({ tools })).toEqual(calls("search"));
  expect(await script({ tools, messages: [asked, called("search"), answered("search")] })).toEqual(replyText("This is a simulated answer. Tool results in this turn: 1."));
});

test("takes the next tool in the next turn, and none when all were used", async () => {
  const tools = [toolNamed("search"), toolNamed("fetch")];
  const firstTurn = [asked, called("search"), answered("search")];

  expect(await script({ tools, messages: [...firstTurn, asked] })).toEqual(calls("fetch"));
  expect(await script({ tools, messages: [...firstTurn, called("fetch"), answered("fetch"), asked] })).toMatchObject({ parts: [{ type: "text" }] });
});

test("hands its answer in by final_answer, after a tool was used or when there is no other", async () => {
  const tools = [toolNamed("final_answer"), toolNamed("search")];

  expect(await script({ tools })).toEqual(calls("search"));
  expect(await script({ tools, messages: [asked, called("search"), answered("search")] })).toEqual(calls("final_answer"));
  expect(await script({ tools: [toolNamed("final_answer")] })).toEqual(calls("final_answer"));
});

test("obeys the choice of tool", async () => {
  const tools = [toolNamed("search"), toolNamed("fetch")];
  const done = [asked, called("search"), answered("search"), called("fetch"), answered("fetch")];

  expect(await script({ tools, toolChoice: { type: "none" } })).toMatchObject({ parts: [{ type: "text" }] });
  expect(await script({ tools, toolChoice: { type: "tool", name: "fetch" } })).toEqual(calls("fetch"));
  expect(await script({ tools, messages: done, toolChoice: { type: "required" } })).toEqual(calls("search"));
});

test("answers in the JSON that was asked for", async () => {
  expect(await script({ responseFormat: { type: "json", schema: textSchema } })).toEqual(replyText('{"q":"simulated q"}'));
});

const tree = z.object({
  name: z.string(),
  get children() {
    return z.array(tree);
  },
});

test.each<readonly [string, z.ZodType]>([
  ["texts", z.object({ a: z.string().min(20), b: z.string().max(4), c: z.url(), d: z.email(), e: z.uuid(), f: z.iso.datetime(), g: z.iso.date() })],
  ["numbers", z.object({ a: z.int().min(5).max(6), b: z.number().min(0.2).max(0.8), c: z.number().gt(3), d: z.number().negative(), e: z.number().multipleOf(5).min(12), f: z.number() })],
  ["choices", z.object({ a: z.enum(["x", "y"]), b: z.literal(7), c: z.boolean(), d: z.union([z.number(), z.string()]), e: z.string().nullable(), f: z.null() })],
  ["lists", z.object({ a: z.array(z.string()).min(3), b: z.tuple([z.string(), z.number()]), c: z.array(z.object({ x: z.int() })) })],
  ["variants", z.discriminatedUnion("kind", [z.object({ kind: z.literal("a"), n: z.number() }), z.object({ kind: z.literal("b") })])],
  ["optional fields and intersections", z.object({ a: z.string().optional(), b: z.intersection(z.object({ x: z.string() }), z.object({ y: z.number() })) })],
])("invents values that satisfy a schema: %s", (_, schema) => {
  const jsonSchema = z.toJSONSchema(schema) as JsonObject;

  for (let seed = 0; seed < 50; seed++) {
    const value = synthesizeValue(jsonSchema, seededRandom(seed));
    const result = schema.safeParse(value);
    expect(result.success, `seed ${seed}: ${JSON.stringify(value)} ${result.error?.message ?? ""}`).toBe(true);
  }
});

test("a recursive schema comes to an end", () => {
  const value = synthesizeValue(z.toJSONSchema(tree) as JsonObject, seededRandom(1));

  expect(JSON.stringify(value).length).toBeLessThan(1_000);
});
