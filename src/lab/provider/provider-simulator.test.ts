import { connect } from "node:net";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { messageOf } from "../../base/error.ts";
import type { JsonObject } from "../../base/json.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { createProviderSimulator, type ProviderSimulatorOptions } from "./provider-simulator.ts";
import type { Receipt } from "./receipt.ts";
import { serveForTest } from "./serve-for-test.testsuite.ts";
import { serveProviderSimulator } from "./serve-provider-simulator.ts";
import { replyText } from "./simulated-reply.ts";
import { requestOf, wireRequests, wires } from "./wire-requests.testsuite.ts";

const create = (options: Partial<ProviderSimulatorOptions> = {}) => createProviderSimulator({ clock: new VirtualClock(), ...options });

test("the same seed and the same requests give the same bytes, another seed does not", async () => {
  const tool = { type: "function", function: { name: "measure", parameters: { type: "object", properties: { n: { type: "integer", minimum: 0, maximum: 100 } }, required: ["n"] } } };
  const record = async (seed: string): Promise<string> => {
    const simulator = create({ seed });
    const bodies: string[] = [];
    for (const stream of [false, true]) {
      for (const wire of wires) bodies.push(await (await simulator.fetch(requestOf(wire, { stream }))).text());
      bodies.push(await (await simulator.fetch(requestOf("openai-chat", { stream, tools: [tool] }))).text());
    }
    return bodies.join("\n");
  };

  const first = await record("a");

  expect(await record("a")).toBe(first);
  expect(await record("b")).not.toBe(first);
  expect(first).toContain("measure");
});

test("a script sees the same request whatever the wire format", async () => {
  const seen: unknown[] = [];
  const simulator = create({
    script: ({ wire: _wire, headers: _headers, body: _body, ...rest }) => {
      seen.push(rest);
      return replyText("ok");
    },
  });
  const schema = { type: "object", properties: { q: { type: "string" } } };
  const say = { model: "m", stream: false };

  await simulator.fetch(
    requestOf("anthropic-messages", {
      ...say,
      system: "Be brief.",
      tools: [{ name: "find", description: "Finds", input_schema: schema }],
      messages: [
        { role: "user", content: "Hello" },
        { role: "assistant", content: [{ type: "tool_use", id: "c1", name: "find", input: { q: "x" } }] },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "c1", content: "found" }, { type: "text", text: "And?" }] },
      ],
    }),
  );
  await simulator.fetch(
    requestOf("openai-chat", {
      ...say,
      max_tokens: 500,
      tools: [{ type: "function", function: { name: "find", description: "Finds", parameters: schema } }],
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "Hello" },
        { role: "assistant", content: null, tool_calls: [{ id: "c1", type: "function", function: { name: "find", arguments: '{"q":"x"}' } }] },
        { role: "tool", tool_call_id: "c1", content: "found" },
        { role: "user", content: "And?" },
      ],
    }),
  );
  await simulator.fetch(
    requestOf("openai-responses", {
      ...say,
      max_output_tokens: 500,
      instructions: "Be brief.",
      tools: [{ type: "function", name: "find", description: "Finds", parameters: schema }],
      input: [
        { role: "user", content: [{ type: "input_text", text: "Hello" }] },
        { type: "function_call", call_id: "c1", name: "find", arguments: '{"q":"x"}' },
        { type: "function_call_output", call_id: "c1", output: "found" },
        { role: "user", content: "And?" },
      ],
    }),
  );

  expect(seen).toHaveLength(3);
  expect(seen[1]).toEqual(seen[0]);
  expect(seen[2]).toEqual(seen[0]);
});

describe("receipts", () => {
  test("hold every request with its key, its tokens and its outcome", async () => {
    const lines: Receipt[] = [];
    const simulator = create({ onReceipt: (receipt) => void lines.push(receipt) });

    await (await simulator.fetch(requestOf("openai-chat", {}, { headers: { "idempotency-key": "run-1/3" } }))).text();
    await (await simulator.fetch(requestOf("openai-chat", { model: "sim-500" }))).text();
    await (await simulator.fetch(requestOf("openai-chat", { messages: [] }))).text();
    await (await simulator.fetch("http://simulated.example/v1/nowhere")).text();

    expect(simulator.receipts()).toEqual(lines);
    expect(lines).toMatchObject([
      { number: 1, atMs: Date.UTC(2026, 0, 1), wire: "openai-chat", model: "sim-model", idempotencyKey: "run-1/3", status: 200, fault: null, outcome: "completed" },
      { number: 2, model: "sim-500", idempotencyKey: null, status: 500, inputTokens: 0, outputTokens: 0, fault: "status", outcome: "fault" },
      { number: 3, status: 400, fault: null, outcome: "refused" },
      { number: 4, path: "/v1/nowhere", wire: null, model: null, status: 404, outcome: "refused" },
    ]);
    expect(lines[0]?.inputTokens).toBeGreaterThan(0);
  });

  test("are completed only when the last byte was read", async () => {
    const simulator = create({ script: () => replyText("A few events, one after another.") });
    const response = await simulator.fetch(requestOf("anthropic-messages", { stream: true }));
    const reader = response.body?.getReader();

    await reader?.read();
    expect(simulator.receipts()).toEqual([]);
    while (!(await reader?.read())?.done);

    expect(simulator.receipts()).toMatchObject([{ outcome: "completed" }]);
  });

  test("say aborted when the client leaves in the middle of a stream", async () => {
    const receipt = Promise.withResolvers<Receipt>();
    // The clock never moves, so the stream stays open behind its first keep-alive.
    const { url } = await serveForTest({ clock: new VirtualClock(), faults: () => ({ kind: "keepAlive", ms: 1_000 }), onReceipt: receipt.resolve });
    const client = new AbortController();
    // Given to fetch itself: a Request that nobody holds loses its signal when it is collected.
    const response = await fetch(requestOf("anthropic-messages", { stream: true }, { url }), { signal: client.signal });
    await response.body?.getReader().read();

    client.abort();

    expect(await receipt.promise).toMatchObject({ status: 200, outcome: "aborted" });
  });

  test("are bounded", async () => {
    const simulator = create({ receiptsMax: 10 });

    for (let call = 0; call < 40; call++) await (await simulator.fetch(requestOf("openai-chat"))).text();

    const receipts = simulator.receipts();
    expect(receipts.length).toBeLessThanOrEqual(11);
    expect(receipts.at(-1)?.number).toBe(40);
  });
});

describe("refusals", () => {
  test.each(wires)("%s without a key is 401 in the provider's form", async (wire) => {
    const { path, body } = wireRequests[wire];
    const headers = wire === "anthropic-messages" ? { "anthropic-version": "2023-06-01" } : {};

    const response = await create().fetch(`http://simulated.example${path}`, { method: "POST", headers, body: JSON.stringify(body) });

    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error: { type: wire === "anthropic-messages" ? "authentication_error" : "invalid_request_error" } });
  });

  test.each(wires)("%s with a body that is not JSON is 400", async (wire) => {
    const request = requestOf(wire);

    const response = await create().fetch(request.url, { method: "POST", headers: request.headers, body: '{"model":' });

    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { type: "invalid_request_error", message: expect.stringContaining("JSON") } });
  });

  test("a body over 32 MB is 413, over the wire too", async () => {
    const { url } = await serveForTest();

    const response = await fetch(requestOf("anthropic-messages", { system: "x".repeat(33 * 1024 * 1024) }, { url }));

    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ type: "error", error: { type: "request_too_large" } });
  });

  test("a wrong method is 405, an unknown path 404, in the form of the provider that the client asks", async () => {
    const { fetch } = create();
    const ask = async (path: string, headers: Record<string, string>): Promise<JsonObject> => {
      const response = await fetch(`http://simulated.example${path}`, { headers });
      return { status: response.status, body: (await response.json()) as JsonObject };
    };

    expect(await ask("/v1/messages", {})).toMatchObject({ status: 405, body: { type: "error" } });
    expect(await ask("/v1/chat/completions", {})).toMatchObject({ status: 405, body: { error: { code: "method_not_supported" } } });
    expect(await ask("/v2/x", { "anthropic-version": "2026-10-21" })).toMatchObject({ status: 404, body: { error: { type: "not_found_error" } } });
    expect(await ask("/v2/x", {})).toMatchObject({ status: 404, body: { error: { message: "Invalid URL (GET /v2/x)" } } });
  });

  test("a script that throws is a 500 that clients do not retry, with the reason in it", async () => {
    const simulator = create({
      script: () => {
        throw new Error("no such case");
      },
    });

    const response = await simulator.fetch(requestOf("anthropic-messages"));

    expect([response.status, response.headers.get("x-should-retry")]).toEqual([500, "false"]);
    expect(await response.text()).toContain("The script of the provider simulator failed: no such case");
  });
});

test("keys do not reach scripts", async () => {
  const seen: string[] = [];
  const simulator = create({
    script: ({ headers }) => {
      seen.push(JSON.stringify(headers));
      return replyText("ok");
    },
  });

  await simulator.fetch(requestOf("anthropic-messages", {}, { headers: { authorization: "Bearer sk-secret", "x-api-key": "sk-secret" } }));

  expect(seen.join()).toContain("[redacted]");
  expect(seen.join()).not.toContain("sk-secret");
});

describe("closing", () => {
  test("breaks off what is under way and refuses what comes later, as a dead server does", async () => {
    const simulator = create({ faults: () => ({ kind: "hang" }) });
    const hanging = simulator.fetch(requestOf("openai-chat")).catch(messageOf);
    await new VirtualClock().advance(0);

    simulator.close();

    expect(await hanging).toBe("fetch failed");
    await expect(simulator.fetch(requestOf("openai-chat"))).rejects.toMatchObject({ message: "fetch failed", cause: { code: "SIMULATOR_CLOSED" } });
    expect(simulator.receipts()).toMatchObject([{ fault: "hang", outcome: "fault" }]);
  });

  test("ends the server with every connection, a hanging one too, and may be repeated", async () => {
    const arrived = Promise.withResolvers<void>();
    const simulator = create({
      faults: () => {
        arrived.resolve();
        return { kind: "hang" };
      },
    });
    const server = await serveProviderSimulator({ simulator });
    const idle = connect(server.port, "127.0.0.1");
    await once(idle, "connect");
    const hanging = fetch(requestOf("openai-chat", {}, { url: server.url })).catch(messageOf);
    await arrived.promise;

    const idleClosed = once(idle, "close");
    await server.close();
    await server.close();

    await idleClosed;
    expect(await hanging).toBe("fetch failed");
  });
});

test("the server refuses to listen beyond loopback, and on a port that is taken", async () => {
  const { url, simulator } = await serveForTest();
  const port = Number(new URL(url).port);

  await expect(serveProviderSimulator({ simulator, host: "0.0.0.0" })).rejects.toMatchObject({ code: "SIMULATOR_LISTEN" });
  await expect(serveProviderSimulator({ simulator, port })).rejects.toMatchObject({ code: "SIMULATOR_LISTEN", message: expect.stringContaining(String(port)) });
});
