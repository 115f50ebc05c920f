import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../base/virtual-clock.ts";
import type { Fault } from "./fault.ts";
import { createProviderSimulator } from "./provider-simulator.ts";
import type { Receipt } from "./receipt.ts";
import { serveForTest } from "./serve-for-test.testsuite.ts";
import { replyText } from "./simulated-reply.ts";
import { requestOf, wires } from "./wire-requests.testsuite.ts";

const script = () => replyText("The whole answer, in more than one event.");
const always = (fault: Fault) => () => fault;

describe.each(wires)("with %s", (wire) => {
  test("a hang keeps the connection open until the client goes away", async () => {
    const arrived = Promise.withResolvers<void>();
    const receipt = Promise.withResolvers<Receipt>();
    const { url } = await serveForTest({
      faults: () => {
        arrived.resolve();
        return { kind: "hang" };
      },
      onReceipt: receipt.resolve,
    });
    const client = new AbortController();

    const answer = fetch(requestOf(wire, {}, { url }), { signal: client.signal });
    await arrived.promise;
    client.abort();

    await expect(answer).rejects.toMatchObject({ name: "AbortError" });
    expect(await receipt.promise).toMatchObject({ wire, status: null, outputTokens: 0, fault: "hang", outcome: "fault" });
  });

  test("a hang in process outlasts a day", async () => {
    const clock = new VirtualClock();
    const simulator = createProviderSimulator({ clock, faults: always({ kind: "hang" }) });
    let isSettled = false;
    const client = new AbortController();
    const answer = simulator.fetch(requestOf(wire, {}, { signal: client.signal })).finally(() => (isSettled = true));

    await clock.advance(24 * 60 * 60 * 1000);
    expect(isSettled).toBe(false);

    client.abort(new Error("enough"));
    await expect(answer).rejects.toThrow("enough");
  });

  test("a cut breaks the socket after so many events", async () => {
    const { url, simulator } = await serveForTest({ script, faults: always({ kind: "cut", afterEvents: 2 }) });
    const response = await fetch(requestOf(wire, { stream: true }, { url }));

    const { text, error } = await readAll(response);

    expect(text.match(/^data: /gm)).toHaveLength(2);
    expect(error).toMatchObject({ message: "terminated", cause: { code: "UND_ERR_SOCKET" } });
    expect(simulator.receipts()).toMatchObject([{ status: 200, fault: "cut", outcome: "fault" }]);
  });

  test("a cut in process looks as it does over a socket, streamed or not", async () => {
    const simulator = createProviderSimulator({ clock: new VirtualClock(), script, faults: always({ kind: "cut", afterEvents: 2 }) });

    const streamed = await readAll(await simulator.fetch(requestOf(wire, { stream: true })));
    const whole = await readAll(await simulator.fetch(requestOf(wire)));

    expect(streamed.text.match(/^data: /gm)).toHaveLength(2);
    expect(() => JSON.parse(whole.text) as unknown).toThrow("JSON");
    expect([streamed.error, whole.error]).toMatchObject([{ message: "terminated" }, { message: "terminated" }]);
  });

  test("a hang after events leaves an open stream that falls silent", async () => {
    const clock = new VirtualClock();
    const simulator = createProviderSimulator({ clock, script, faults: always({ kind: "hang", afterEvents: 2 }) });
    const client = new AbortController();
    const response = await simulator.fetch(requestOf(wire, { stream: true }, { signal: client.signal }));
    const read = readAll(response);

    await clock.advance(3_600_000);
    client.abort(new Error("enough"));

    expect(await read).toMatchObject({ text: expect.stringMatching(/^(?:(?:event: .*\n)?data: .*\n\n){2}$/), error: { message: "enough" } });
    expect(simulator.receipts()).toMatchObject([{ status: 200, fault: "hang", outcome: "fault" }]);
  });

  test("latency delays the answer by exactly so long", async () => {
    const clock = new VirtualClock(0);
    const simulator = createProviderSimulator({ clock, faults: always({ kind: "latency", ms: 90_000 }) });
    const answeredAtMs = simulator.fetch(requestOf(wire)).then(() => clock.now());

    await clock.advance(100_000);

    expect(await answeredAtMs).toBe(90_000);
  });

  test("keep-alives hold a stream open over the wire before any content comes", async () => {
    const clock = new VirtualClock(0);
    const { url } = await serveForTest({ clock, script, faults: always({ kind: "keepAlive", ms: 1_000 }) });
    const response = await fetch(requestOf(wire, { stream: true }, { url }));
    const reader = response.body?.getReader();

    const first = await reader?.read();
    await clock.advance(1_000);
    const rest = await readToEnd(reader);

    expect(new TextDecoder().decode(first?.value)).toMatch(/^(?:: keep-alive|event: ping\ndata: \{"type":"ping"\})\n\n$/);
    expect(rest).toContain("The whole answer");
  });

  test("keep-alives last as long as they were asked to", async () => {
    const clock = new VirtualClock(0);
    const simulator = createProviderSimulator({ clock, script, faults: always({ kind: "keepAlive", ms: 45_500 }) });
    const read = simulator.fetch(requestOf(wire, { stream: true })).then(readAll);

    await clock.advance(45_499);
    expect(simulator.receipts()).toEqual([]);
    await clock.advance(1);

    expect((await read).text).toContain("The whole answer");
    expect(simulator.receipts()).toMatchObject([{ fault: "keepAlive", outcome: "completed" }]);
  });

  test("a whole answer is kept alive by white space, which JSON may begin with", async () => {
    const clock = new VirtualClock(0);
    const simulator = createProviderSimulator({ clock, script, faults: always({ kind: "keepAlive", ms: 45_500 }) });
    const read = simulator.fetch(requestOf(wire)).then(readAll);

    await clock.advance(45_500);

    const { text } = await read;
    expect(text).toMatch(/^ {46}\{/);
    expect(JSON.stringify(JSON.parse(text))).toContain("The whole answer");
  });

  test("slow chunks come one wait apart", async () => {
    const clock = new VirtualClock(0);
    const simulator = createProviderSimulator({ clock, script, faults: always({ kind: "slowChunks", ms: 2_000 }) });
    const read = simulator.fetch(requestOf(wire, { stream: true })).then(readAll);

    await clock.advance(60_000);

    const events = (await read).text.match(/^data: /gm)?.length ?? 0;
    expect(clock.pendingAtMs).toEqual([]);
    expect(events).toBeGreaterThan(3);
  });

  test("an empty answer has status 200 and no content, streamed or not", async () => {
    const simulator = createProviderSimulator({ clock: new VirtualClock(), script, faults: always({ kind: "empty" }) });

    const whole = await readAll(await simulator.fetch(requestOf(wire)));
    const streamed = await readAll(await simulator.fetch(requestOf(wire, { stream: true })));

    expect(whole.text).toMatch(/"content":\[\]|"content":""|"output":\[\]/);
    expect(whole.text + streamed.text).not.toContain("The whole answer");
    expect(simulator.receipts().map(({ status, outcome }) => [status, outcome])).toEqual([[200, "fault"], [200, "fault"]]);
  });

  test("a status fault sends the headers and the body that it names", async () => {
    const fault: Fault = { kind: "status", status: 503, retryAfter: "Wed, 21 Oct 2026 07:28:00 GMT", headers: { "x-edge": "1" }, body: { oops: true } };
    const simulator = createProviderSimulator({ clock: new VirtualClock(), faults: always(fault) });

    const response = await simulator.fetch(requestOf(wire));

    expect([response.status, response.headers.get("retry-after"), response.headers.get("x-edge")]).toEqual([503, "Wed, 21 Oct 2026 07:28:00 GMT", "1"]);
    expect(await response.json()).toEqual({ oops: true });
  });
});

test.each(["a Request", "a Request and an init", "an init"])("an abort of %s is heard after a garbage collection", async (form) => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const clock = new VirtualClock();
  const simulator = createProviderSimulator({ clock, faults: always({ kind: "hang", afterEvents: 1 }) });
  const client = new AbortController();
  const start = async (): Promise<Response> => {
    if (form === "an init") {
      const { url, headers } = requestOf("openai-chat");
      const body = '{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}';
      return simulator.fetch(url, { method: "POST", headers, body, signal: client.signal });
    }
    const request = requestOf("openai-chat", { stream: true }, { signal: client.signal });
    return form === "a Request" ? simulator.fetch(request) : simulator.fetch(request, { headers: request.headers });
  };
  const answer = readAll(await start());

  for (let round = 0; round < 5; round++) {
    await clock.advance(1_000);
    collectGarbage();
  }
  client.abort("enough");

  expect(await answer).toMatchObject({ error: "enough" });
});

test("a seeded plan strikes the same calls each time, about as often as it says", async () => {
  const strikes = async (seed: number): Promise<string> => {
    const simulator = createProviderSimulator({ clock: new VirtualClock(), seed, faults: { ratio: 0.3, among: [{ kind: "status", status: 500 }, { kind: "status", status: 529 }] } });
    const statuses: number[] = [];
    for (let call = 0; call < 200; call++) statuses.push((await simulator.fetch(requestOf("openai-chat"))).status);
    return statuses.join(" ");
  };

  const first = await strikes(7);
  const struck = first.split(" ").filter((status) => status !== "200").length;

  expect(await strikes(7)).toBe(first);
  expect(await strikes(8)).not.toBe(first);
  expect(struck).toBeGreaterThan(40);
  expect(struck).toBeLessThan(80);
});

test("a plan that cannot be meant is refused", () => {
  const clock = new VirtualClock();

  expect(() => createProviderSimulator({ clock, faults: { ratio: 30, among: [{ kind: "empty" }] } })).toThrow("faults.ratio is 30");
  expect(() => createProviderSimulator({ clock, faults: { ratio: 0.3, among: [] } })).toThrow("faults.among is empty");
});

test("a function of the request decides before the model's name does", async () => {
  const simulator = createProviderSimulator({ clock: new VirtualClock(), faults: (_, callNumber) => (callNumber === 1 ? { kind: "status", status: 529 } : undefined) });

  const statuses = [await simulator.fetch(requestOf("openai-chat", { model: "sim-500" })), await simulator.fetch(requestOf("openai-chat", { model: "sim-500" }))];

  expect(statuses.map(({ status }) => status)).toEqual([529, 500]);
});

async function readAll(response: Response): Promise<{ readonly text: string; readonly error: unknown }> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true });
    return { text, error: null };
  } catch (error) {
    return { text, error };
  }
}

async function readToEnd(reader: ReadableStreamDefaultReader<Uint8Array> | undefined): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) text += decoder.decode(part.value, { stream: true });
  return text;
}
