import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { VirtualClock } from "../base/virtual-clock.ts";
import { sample, testNotifier } from "./notify.testsuite.ts";
import { webhookNotifier, type WebhookSpec } from "./webhook.ts";

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Receiver {
  readonly url: string;
  readonly received: Received[];
  close: () => Promise<void>;
}

const { signal } = new AbortController();
const receivers: Receiver[] = [];

afterEach(async () => {
  for (const receiver of receivers.splice(0)) await receiver.close();
});

/** A real HTTP server that answers as told. */
async function receiverOf(answer: (response: ServerResponse) => void = (response) => void response.end("ok")): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => {
      body += chunk;
    });
    request.on("end", () => {
      received.push({ headers: request.headers, body });
      answer(response);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const close = (): Promise<void> => new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
  const receiver = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook/SECRET-PATH`, received, close };
  receivers.push(receiver);
  return receiver;
}

async function failureOf(spec: WebhookSpec, clock = new VirtualClock()): Promise<unknown> {
  return webhookNotifier(spec, { clock }).send(sample, signal).catch((error: unknown) => error);
}

testNotifier({
  name: "webhookNotifier",
  create: async () => {
    let broken = false;
    const receiver = await receiverOf((response) => void response.writeHead(broken ? 500 : 204).end());
    return {
      notifier: webhookNotifier({ url: receiver.url }, { clock: new VirtualClock() }),
      get arrived() { return receiver.received.map(({ body }) => body.replaceAll("\\n", "\n")); },
      breakDown: () => { broken = true; },
      close: receiver.close,
    };
  },
});

describe("webhookNotifier", () => {
  test("posts the notification, a text that chat receivers show, and its id as idempotency key", async () => {
    const receiver = await receiverOf();
    await webhookNotifier({ url: receiver.url, headers: { authorization: "Bearer b", "content-type": "text/plain" } }, { clock: new VirtualClock() }).send(sample, signal);

    const [{ headers, body } = { headers: {}, body: "" }] = receiver.received;
    expect(headers).toMatchObject({ "content-type": "application/json", "idempotency-key": "n_1", authorization: "Bearer b" });
    expect(headers["x-longhaul-signature"]).toBeUndefined();
    expect(JSON.parse(body)).toEqual({ ...sample, text: `[critical] prospecting: research is hollow\n${sample.text}`, details: sample.text });
  });

  test("signs the very bytes of the body", async () => {
    const receiver = await receiverOf();
    await webhookNotifier({ url: receiver.url, secret: "s3cret" }, { clock: new VirtualClock() }).send({ ...sample, title: "häßlich" }, signal);

    const [{ headers, body } = { headers: {}, body: "" }] = receiver.received;
    expect(headers["x-longhaul-signature"]).toBe(`sha256=${createHmac("sha256", "s3cret").update(body, "utf8").digest("hex")}`);
  });

  test.each([301, 302, 400, 403, 404, 410, 500, 503])("HTTP %i is an error that shows host and answer, not the secret path", async (status) => {
    const receiver = await receiverOf((response) => void response.writeHead(status, { location: "/elsewhere" }).end("no_service\n"));

    expect(await failureOf({ url: receiver.url })).toMatchObject({ code: "NOTIFY_FAILED", retry: "backoff", message: expect.stringMatching(new RegExp(`^Notifier webhook: 127\\.0\\.0\\.1:\\d+ answered HTTP ${status} \\(no_service\\)\\.(?!.*SECRET)`)) });
    expect(receiver.received).toHaveLength(1);
  });

  test("a redirect is not followed, and the message says so", async () => {
    const target = await receiverOf();
    const receiver = await receiverOf((response) => void response.writeHead(307, { location: target.url }).end());

    expect(await failureOf({ url: receiver.url })).toMatchObject({ message: expect.stringContaining("use the final url") });
    expect(target.received).toEqual([]);
  });

  test.each([
    ["7", { afterMs: 7_000 }], ["0", { afterMs: 0 }], ["0.5", { afterMs: 500 }], ["Thu, 01 Jan 2026 00:01:30 GMT", { afterMs: 90_000 }], ["Thu, 01 Jan 1970 00:00:00 GMT", { afterMs: 0 }],
    ["999999999999", { afterMs: 86_400_000 }], ["soon", "backoff"], ["-5", expect.anything()],
  ])("Retry-After %s is honoured", async (header, retry) => {
    const receiver = await receiverOf((response) => void response.writeHead(429, { "retry-after": header }).end());

    expect(await failureOf({ url: receiver.url })).toMatchObject({ code: "NOTIFY_FAILED", retry });
  });

  test("a refused connection is an error with its reason", async () => {
    const receiver = await receiverOf();
    await receiver.close();

    expect(await failureOf({ url: receiver.url, name: "pager" })).toMatchObject({ code: "NOTIFY_FAILED", retry: "backoff", message: expect.stringMatching(/Notifier pager: 127.* could not be reached: .*ECONNREFUSED/) });
  });

  test.each(["headers", "body"])("a receiver that never ends its %s ends at the timeout", async (part) => {
    const clock = new VirtualClock();
    const receiver = await receiverOf((response) => {
      if (part === "body") response.writeHead(500).flushHeaders();
    });
    const pending = failureOf({ url: receiver.url }, clock);
    while (receiver.received.length === 0) await clock.advance(0);
    await clock.advance(10_000);

    expect(await pending).toMatchObject({ code: "NOTIFY_FAILED", message: expect.stringContaining("within 10 s") });
    expect(clock.pendingAtMs).toEqual([]);
  });

  test("a body that never ends after a 2xx is no concern", async () => {
    const receiver = await receiverOf((response) => void response.writeHead(200).write("o"));

    expect(await failureOf({ url: receiver.url })).toBeUndefined();
  });

  test("an abort ends the sending with its reason", async () => {
    const controller = new AbortController();
    const receiver = await receiverOf(() => controller.abort(new Error("draining")));

    await expect(webhookNotifier({ url: receiver.url }, { clock: new VirtualClock() }).send(sample, controller.signal)).rejects.toThrow("draining");
  });

  test("uses the fetch that it is given, and ends even if that ignores its signal", async () => {
    const clock = new VirtualClock();
    const pending = webhookNotifier({ url: "https://example.test/x", timeoutMs: 50 }, { clock, fetch: () => new Promise<never>(() => undefined) }).send(sample, signal).catch((error: unknown) => error);
    await clock.advance(50);

    expect(await pending).toMatchObject({ code: "NOTIFY_FAILED" });
  });

  test("refuses a url that is not http and a timeout that is not above 0", () => {
    for (const url of ["", "nonsense", "file:///etc/passwd"]) expect(() => webhookNotifier({ url }, { clock: new VirtualClock() })).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
    for (const timeoutMs of [0, -1, Number.NaN]) expect(() => webhookNotifier({ url: "http://x/", timeoutMs }, { clock: new VirtualClock() })).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
  });
});
