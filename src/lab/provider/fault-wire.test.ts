import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../base/virtual-clock.ts";
import type { Fault } from "./fault.ts";
import { faultNamed, faultNames } from "./named-fault.ts";
import { createProviderSimulator } from "./provider-simulator.ts";
import { serveForTest } from "./serve-for-test.testsuite.ts";
import { type ReplyPart, replyText, type SimulatedReply } from "./simulated-reply.ts";
import type { Wire } from "./simulated-request.ts";
import type { StatedWait } from "./wire-format.ts";
import { requestOf, wires } from "./wire-requests.testsuite.ts";

const nowMs = Date.UTC(2026, 0, 15, 10, 0, 5);
const text = replyText("The whole answer, in more than one event.");
const call: SimulatedReply = { parts: [{ type: "tool-call", name: "look_up", input: { order: "o-1" } }] };

/** What a client gets, streamed or not. */
async function answerOf(wire: Wire, fault: Fault | null, { reply = text, stream = false }: { readonly reply?: SimulatedReply; readonly stream?: boolean } = {}): Promise<{ readonly response: Response; readonly body: string }> {
  const simulator = createProviderSimulator({ clock: new VirtualClock(nowMs), script: () => reply, faults: () => fault ?? undefined });
  const response = await simulator.fetch(requestOf(wire, { stream, ...(wire === "openai-chat" && stream && { stream_options: { include_usage: true } }) }));
  return { response, body: await response.text() };
}

const wait = (ms: number, as: StatedWait["as"]): Fault => ({ kind: "status", status: 429, wait: { ms, as } });
const openAi: readonly Wire[] = ["openai-responses", "openai-chat"];

describe.each(wires)("with %s", (wire) => {
  test.each([
    ["seconds", 1_500, "retry-after", "1.5"],
    ["date", 30_000, "retry-after", "Thu, 15 Jan 2026 10:00:35 GMT"],
    ["epoch", 30_000, "retry-after", String(nowMs / 1_000 + 30)],
    ["milliseconds", 1_500, "retry-after-ms", "1500"],
  ] as const)("a wait in the form %s is stated by its header alone", async (as, ms, header, value) => {
    const { response } = await answerOf(wire, wait(ms, as));

    expect([response.status, response.headers.get(header)]).toEqual([429, value]);
    expect(["retry-after", "retry-after-ms"].filter((name) => response.headers.has(name))).toEqual([header]);
  });

  test("a wait in words is in the message and nowhere else", async () => {
    const { response, body } = await answerOf(wire, wait(360_000, "words"));

    expect(body).toContain("Please try again in 6m0s.");
    expect([...response.headers.keys()].filter((name) => /ratelimit|retry/.test(name))).toEqual([]);
  });

  test.each(["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "CERT_HAS_EXPIRED", "UND_ERR_CONNECT_TIMEOUT"] as const)("%s is what fetch rejects with, and has a receipt", async (failure) => {
    const simulator = createProviderSimulator({ clock: new VirtualClock(), faults: () => ({ kind: "network", failure }) });

    await expect(simulator.fetch(requestOf(wire))).rejects.toMatchObject({ name: "TypeError", message: "fetch failed", cause: { code: failure } });
    expect(simulator.receipts()).toMatchObject([{ status: null, fault: "network", outcome: "fault", inputTokens: 0 }]);
  });

  test("over a socket, a connection that cannot be made is closed without an answer", async () => {
    const { url } = await serveForTest({ faults: () => ({ kind: "network", failure: "ECONNRESET" }) });

    await expect(fetch(requestOf(wire, {}, { url }))).rejects.toMatchObject({ message: "fetch failed" });
  });

  test("a body in place of the answer comes as it is", async () => {
    const page = await answerOf(wire, { kind: "body", text: "<html>maintenance</html>" }, { stream: true });
    const nothing = await answerOf(wire, { kind: "body", text: "" }, { stream: true });
    const gateway = await answerOf(wire, { kind: "status", status: 502, body: "<html>bad</html>" });

    expect([page.response.status, page.response.headers.get("content-type"), page.body]).toEqual([200, "text/html", "<html>maintenance</html>"]);
    expect([nothing.response.status, nothing.body]).toEqual([200, ""]);
    expect([gateway.response.status, gateway.response.headers.get("content-type"), gateway.body]).toEqual([502, "text/html", "<html>bad</html>"]);
  });

  test("an unfinished stream lacks its last events, and an event that is not JSON is one more", async () => {
    const whole = await answerOf(wire, null, { stream: true });
    const unfinished = await answerOf(wire, { kind: "unfinished", missingEvents: 2 }, { stream: true });
    const bad = await answerOf(wire, { kind: "badEvent", afterEvents: 2 }, { stream: true });

    expect(whole.body.startsWith(unfinished.body)).toBe(true);
    expect(count(unfinished.body)).toBe(count(whole.body) - 2);
    expect(count(bad.body)).toBe(count(whole.body) + 1);
    expect(bad.body).toContain('data: {"type":"content_block_de\n\n');
  });

  test("an error event ends a stream in the provider's own words, and is a 500 where nothing is streamed", async () => {
    const fault: Fault = { kind: "streamError", error: "overloaded", afterEvents: 2 };
    const streamed = await answerOf(wire, fault, { stream: true });
    const whole = await answerOf(wire, fault);

    expect(streamed.response.status).toBe(200);
    expect(JSON.parse(dataOf(streamed.body).at(-1) ?? "")).toMatchObject(
      wire === "anthropic-messages" ? { type: "error", error: { type: "overloaded_error", message: "Overloaded" } } : { error: { code: "server_is_overloaded", param: null } },
    );
    expect(count(streamed.body)).toBe(3);
    expect(whole.response.status).toBe(500);
  });

  test.each(["metadata", "empty-deltas"] as const)("%s say nothing, and the answer comes after them", async (kind) => {
    const clock = new VirtualClock(nowMs);
    const simulator = createProviderSimulator({ clock, script: () => text, faults: () => ({ kind: "keepAlive", ms: 3_000, with: kind }) });
    const body = (await simulator.fetch(requestOf(wire, { stream: true, ...(wire === "openai-chat" && { stream_options: { include_usage: true } }) }))).text();
    await clock.advance(2_999);
    expect(simulator.receipts()).toEqual([]);
    await clock.advance(1);

    const events = dataOf(await body);
    const plain = dataOf((await answerOf(wire, null, { stream: true })).body);
    expect(events).toHaveLength(plain.length + 3);
    expect(events.join("").match(/The whole answer/g)).toHaveLength(wire === "openai-responses" ? 5 : 1);
  });

  test("an altered answer is whole and wrong", async () => {
    const alter = async (how: Extract<Fault, { kind: "altered" }>["how"], reply = text): Promise<string> => (await answerOf(wire, { kind: "altered", how }, { reply, stream: true })).body;

    expect(await alter("other-model")).toContain('"model":"sim-other-model"');
    expect(await alter("no-usage")).not.toContain('"usage":{');
    expect(await alter("zero-usage")).toMatch(/"(?:output|completion)_tokens":0/);
    expect(await alter("error-text")).toContain("503 Service");
    expect(await alter("unknown-tool", call)).toContain("no_such_tool");
    expect(await alter("half-arguments", call)).not.toContain(String.raw`\"o-1\"`);
    expect(new Set((await alter("repeated-ids", call)).match(/(?:toolu|call)_sim_\w+/g))).toHaveLength(1);
  });

  test("every named fault does something to an answer", async () => {
    const call1: ReplyPart = { type: "tool-call", name: "look_up", input: { order: "o-1" } };
    const plain = await answerOf(wire, null, { reply: { parts: [call1] }, stream: true });
    for (const name of faultNames) {
      const fault = faultNamed(name);
      if (fault === undefined) throw new Error(`${name} is no fault`);
      if (["hang", "latency", "slowChunks", "keepAlive"].includes(fault.kind)) continue; // They take time; what they do is tested above and in fault.test.ts.
      const told = await answerOf(wire, fault, { reply: { parts: [call1] }, stream: true }).then(({ response, body }) => `${response.status} ${body}`, (error: unknown) => String(error));
      expect({ name, told }).not.toEqual({ name, told: `200 ${plain.body}` });
    }
  });
});

test("Anthropic states a reset by an instant, OpenAI by a duration", async () => {
  const anthropic = await answerOf("anthropic-messages", wait(360_000, "reset"));
  expect([anthropic.response.headers.get("anthropic-ratelimit-requests-remaining"), anthropic.response.headers.get("anthropic-ratelimit-requests-reset")]).toEqual(["0", "2026-01-15T10:06:05Z"]);
  for (const wire of openAi) {
    for (const [ms, span] of [[20, "20ms"], [1_500, "1.5s"], [360_000, "6m0s"], [82_800_000, "23h0m0s"]] as const) {
      const { response } = await answerOf(wire, wait(ms, "reset"));
      expect([response.headers.get("x-ratelimit-remaining-requests"), response.headers.get("x-ratelimit-reset-requests")]).toEqual(["0", span]);
    }
  }
});

test.each([
  ["anthropic-messages", 429, "spend-limit", { type: "error", error: { type: "rate_limit_error", details: { error_code: "enforced_spend_limit_reached" } } }],
  ["anthropic-messages", 402, "spend-limit", { error: { type: "billing_error", details: { error_code: "linked_organization_spend_limit_reached" } } }],
  ["anthropic-messages", 400, "credit", { error: { type: "invalid_request_error", message: expect.stringContaining("credit balance is too low") } }],
  ["anthropic-messages", 400, "context-overflow", { error: { type: "invalid_request_error", message: expect.stringContaining("prompt is too long") } }],
  ["anthropic-messages", 413, "context-overflow", { error: { type: "request_too_large" } }],
  ["anthropic-messages", 400, "content-policy", { error: { message: "Output blocked by content filtering policy" } }],
  ["openai-responses", 429, "spend-limit", { error: { type: "insufficient_quota", code: "insufficient_quota", param: null } }],
  ["openai-chat", 400, "spend-limit", { error: { code: "billing_hard_limit_reached", type: "invalid_request_error" } }],
  ["openai-responses", 429, "inactive-account", { error: { type: "billing_not_active", code: "billing_not_active" } }],
  ["openai-chat", 400, "context-overflow", { error: { code: "context_length_exceeded", param: "messages" } }],
  ["openai-chat", 429, "context-overflow", { error: { type: "tokens", code: "rate_limit_exceeded", message: expect.stringContaining("must be reduced") } }],
  ["openai-responses", 400, "content-policy", { error: { code: "invalid_prompt" } }],
] as const)("%s says %i for the reason %s in its own body", async (wire, status, reason, body) => {
  const answer = await answerOf(wire, { kind: "status", status, reason });

  expect(answer.response.status).toBe(status);
  expect(JSON.parse(answer.body)).toMatchObject(body);
});

test("a refusal is a stop reason with Anthropic, and a field of its own with OpenAI", async () => {
  const fault: Fault = { kind: "altered", how: "refusal" };
  const [anthropic, responses, chat] = await Promise.all(wires.map(async (wire) => JSON.parse((await answerOf(wire, fault)).body) as unknown));

  expect(anthropic).toMatchObject({ stop_reason: "refusal" });
  expect(responses).toMatchObject({ status: "completed", output: [{ content: [{ type: "refusal", refusal: "I can't help with that." }] }] });
  expect(chat).toMatchObject({ choices: [{ finish_reason: "stop", message: { content: null, refusal: "I can't help with that." } }] });
  expect((await answerOf("openai-responses", fault, { stream: true })).body).toContain("event: response.refusal.done");
  expect((await answerOf("openai-chat", fault, { stream: true })).body).toContain('"delta":{"refusal":');
});

test("response.failed repeats the response that it ends", async () => {
  const { body } = await answerOf("openai-responses", { kind: "streamError", error: "failed", afterEvents: 4 }, { stream: true });
  const last: unknown = JSON.parse(dataOf(body).at(-1) ?? "");
  const first = JSON.parse(dataOf(body)[0] ?? "") as { readonly response: { readonly id: string } };

  expect(last).toMatchObject({ type: "response.failed", sequence_number: 4, response: { id: first.response.id, status: "failed", error: { code: "server_error" } } });
});

function dataOf(body: string): readonly string[] {
  return [...body.matchAll(/^data: (.*)$/gm)].map(([, data = ""]) => data);
}

function count(body: string): number {
  return dataOf(body).length;
}
