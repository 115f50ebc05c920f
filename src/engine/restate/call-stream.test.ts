import { once } from "node:events";
import { connect, createServer, type ClientHttp2Session, type ClientHttp2Stream, type Http2Server, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, it } from "vitest";
import { sleep, systemClock } from "../../base/clock.ts";
import { macrotask } from "../../base/turn.ts";
import { attachStream } from "./call-stream.ts";

let server: Http2Server;
let client: ClientHttp2Session;

/** What the SDK's endpoint is called with. */
interface Call {
  readonly request: Http2ServerRequest;
  readonly response: Http2ServerResponse;
  readonly chunks: AsyncIterator<Uint8Array>;
  /** As the SDK writes. Resolves when more may be written. */
  readonly write: (message: string) => Promise<void>;
  readonly end: () => Promise<void>;
}

const calls: ((call: Call) => void)[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    attachStream(request, response);
    response.writeHead(200);
    calls.shift()?.({
      request, response,
      chunks: request[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>,
      write: (message) => new Promise((resolve, reject) => response.write(Buffer.from(message), (error?: Error | null) => (error ? reject(error) : resolve()))),
      end: () => new Promise((resolve) => response.end(() => resolve())),
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
afterAll(() => {
  client.destroy();
  server.close();
});

async function open(): Promise<{ readonly caller: ClientHttp2Stream; readonly call: Call }> {
  const called = new Promise<Call>((resolve) => calls.push(resolve));
  const caller = client.request({ ":method": "POST" }, { endStream: false });
  caller.on("error", () => undefined);
  return { caller, call: await called };
}

async function readAll(chunks: AsyncIterator<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) all.push(next.value);
  return Buffer.concat(all);
}

it("reads all that comes, before it is asked for and after, and its end", async () => {
  const { caller, call } = await open();
  const body = Buffer.alloc(300_000, "0123456789");
  caller.write(body.subarray(0, 200_000));
  await sleep(systemClock, 50);
  const reading = readAll(call.chunks);
  caller.end(body.subarray(200_000));

  expect((await reading).equals(body)).toBe(true);
  expect((await call.chunks.next()).done).toBe(true);
  await call.end();
});

it("lets the other side send no more than it is read", async () => {
  const { caller, call } = await open();
  const whole = 8_000_000;
  let isSent = false;
  caller.end(Buffer.alloc(whole), () => (isSent = true));
  await sleep(systemClock, 300);

  expect(isSent).toBe(false);
  expect((await readAll(call.chunks)).length).toBe(whole);
  await call.end();
});

it.each(["while somebody reads", "before somebody reads"])("comes to an end when a call is given up %s, and takes no more", async (when) => {
  const { caller, call } = await open();
  const closed = once(call.request, "close");
  const early = when === "while somebody reads" ? call.chunks.next() : null;
  caller.close(8);
  await closed;

  expect(await (early ?? call.chunks.next())).toEqual({ done: true, value: undefined });
  await expect(call.write("late")).rejects.toThrow(/invalid|write after end|destroyed/i);
});

it("writes in order, two messages of one turn as one frame, and lets none wait for longer than two turns", async () => {
  const { caller, call } = await open();
  const frames: string[] = [];
  caller.setEncoding("utf8").on("data", (chunk: string) => frames.push(chunk));

  await call.write("begins ");
  await macrotask();
  await call.write("ends ");
  await expect.poll(() => frames).toEqual(["begins ends "]);
  await call.write("alone ");
  await expect.poll(() => frames).toEqual(["begins ends ", "alone "]);
  await call.write("last");
  const ended = once(caller, "end");
  await call.end();
  await ended;
  expect(frames.join("")).toBe("begins ends alone last");
  await expect(call.write("late")).rejects.toThrow(/invalid|write after end|destroyed/i);
});

it("waits with more while the other side reads nothing", async () => {
  const { caller, call } = await open();
  caller.pause();
  let written = 0;
  const writing = (async () => {
    for (; written < 200; written++) await call.write("x".repeat(10_000));
  })();
  await sleep(systemClock, 300);

  expect(written).toBeLessThan(100);
  const all = text(caller);
  await writing;
  await call.end();
  expect((await all).length).toBe(2_000_000);
});
