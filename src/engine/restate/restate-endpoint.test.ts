import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../engine-fixture.testsuite.ts";
import { callHeaders, forgedCall, messageHead } from "./fixture/forged-call.ts";
import { freePort } from "../../base/fixture/free-port.ts";
import { type EndpointOptions, RestateEndpoint } from "./restate-endpoint.ts";
import type { RestateHandler } from "./restate-services.ts";
import { serviceNames } from "./service-names.ts";

const handler: RestateHandler = { claim: async () => [], activate: async () => undefined, take: async () => undefined, suspended: async () => undefined, mismatched: async () => undefined, noted: async () => undefined };
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const faults: unknown[] = [];

async function open(silentMsMax: number, limit: Partial<EndpointOptions> = {}): Promise<RestateEndpoint> {
  faults.length = 0;
  const endpoint = await RestateEndpoint.open({ team: "t", handler, silentMsMax, host: "127.0.0.1", port: await freePort(), recallMsMax: 100, onFault: (error) => faults.push(error), ...limit });
  closing.push(() => endpoint.close());
  return endpoint;
}

/** A caller that speaks HTTP/2, says goodbye to the server at once, and keeps its own end open. */
async function sayGoodbye(port: number): Promise<Socket> {
  const frame = (type: number, payload: readonly number[]): Buffer => Buffer.from([0, 0, payload.length, type, 0, 0, 0, 0, 0, ...payload]);
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  closing.push(async () => void socket.destroy());
  socket.on("error", () => undefined).resume();
  socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, []), frame(7, [0, 0, 0, 0, 0, 0, 0, 0])]));
  await once(socket, "end");
  return socket;
}

async function isListenedTo(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const isOpen = await once(socket, "connect").then(() => true, () => false);
  socket.destroy();
  return isOpen;
}

describe("a caller that says goodbye and does not go", () => {
  it("is cut as a silent one is, and ends no process", async () => {
    const endpoint = await open(400);
    const socket = await sayGoodbye(endpoint.port);

    // A socket that nobody is behind any more fails of what it writes. While somebody is, that breaks the silence.
    await expect.poll(() => socket.destroyed || !socket.write("x"), { interval: 1_000 }).toBe(true);

    expect(await isListenedTo(endpoint.port)).toBe(true);
  });

  it("keeps no worker from withdrawing, nor from coming back", async () => {
    const endpoint = await open(20_000);
    await sayGoodbye(endpoint.port);

    endpoint.withdraw();
    expect(await isListenedTo(endpoint.port)).toBe(false);
    await endpoint.return();

    expect(await isListenedTo(endpoint.port)).toBe(true);
  });
});

/** A caller that speaks HTTP/2 and answers what it is asked, for as long as it is let. */
async function call(port: number): Promise<ClientHttp2Session> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  closing.push(async () => session.destroy());
  session.on("error", () => undefined);
  await Promise.race([once(session, "remoteSettings"), once(session, "close")]);
  return session;
}

describe("more callers than a worker takes", () => {
  it("are turned away, and people are told; those that came before stay, and another one may come when one has gone", async () => {
    const endpoint = await open(20_000, { connectionsMax: 2 });
    const [first, second] = [await call(endpoint.port), await call(endpoint.port)];

    const third = await call(endpoint.port);

    expect([first, second, third].map(({ closed }) => closed)).toEqual([false, false, true]);
    expect(faults).toMatchObject([{ message: expect.stringContaining("2 connections") as string }]);
    first?.close();
    await until(async () => !(await call(endpoint.port)).closed, "another one may come");
  });

  it("are counted also of those that came before it withdrew", async () => {
    const endpoint = await open(20_000, { connectionsMax: 1 });
    const first = await call(endpoint.port);
    endpoint.withdraw();
    await endpoint.return();

    expect((await call(endpoint.port)).closed).toBe(true);
    expect(first.closed).toBe(false);
  });
});

it("comes back where it never was away: PostgreSQL was, while it began to listen", async () => {
  const endpoint = await open(20_000);

  await endpoint.return();
  expect(await isListenedTo(endpoint.port)).toBe(true);

  await endpoint.close();
  expect(await isListenedTo(endpoint.port)).toBe(false);
});

const { runs, outage } = serviceNames("t");

/** Announces much more than it sends, and sends this. Resolves when the other side has that, or has cut it off. */
async function send(session: ClientHttp2Session, bytes: number): Promise<ClientHttp2Stream> {
  const stream = session.request(callHeaders(runs, "run"), { endStream: false });
  stream.on("error", () => undefined).resume();
  stream.write(messageHead(0, 1_000_000_000));
  const sent = new Promise<void>((resolve) => stream.write(Buffer.alloc(bytes), () => resolve()));
  // What the other side does of it comes before its answer to the second question.
  const had = sent.then(() => roundTrip(session)).then(() => roundTrip(session));
  await Promise.race([new Promise((resolve) => stream.on("close", resolve)), had]);
  return stream;
}

async function roundTrip(session: ClientHttp2Session): Promise<void> {
  await new Promise<void>((resolve) => session.ping(() => resolve()));
}

describe("calls that send more than Restate would", () => {
  it("are cut off when together they send too much before they begin, first the one that was silent for longest, and people are told", async () => {
    const endpoint = await open(20_000, { unbegunBytesMax: 1_000_000 });
    const session = await call(endpoint.port);

    const [first, second] = [await send(session, 600_000), await send(session, 600_000)];

    expect([first.destroyed, second.destroyed]).toEqual([true, false]);
    expect(first.rstCode).toBe(11);
    expect(faults).toMatchObject([{ message: expect.stringMatching(/1000000 bytes.*--identity-key/) as string }]);
    expect((await send(session, 300_000)).destroyed).toBe(false);
    expect(second.destroyed).toBe(false);
  });

  it("are cut off when one of them sends too much, whether it has begun or not", async () => {
    const endpoint = await open(20_000, { callBytesMax: 1_000_000 });
    const session = await call(endpoint.port);

    expect((await send(session, 900_000)).destroyed).toBe(false);
    expect((await send(session, 1_100_000)).rstCode).toBe(11);
    expect(faults).toMatchObject([{ message: expect.stringContaining("more than 1000000 bytes") as string }]);
  });

  it("count no more once they have begun", async () => {
    const begun = Promise.withResolvers<void>();
    const activate = (): Promise<void> => {
      begun.resolve();
      return new Promise(() => undefined);
    };
    const endpoint = await open(20_000, { unbegunBytesMax: 1_000_000, handler: { ...handler, activate } });
    const session = await call(endpoint.port);
    const running = session.request(callHeaders(runs, "run"), { endStream: false });
    running.on("error", () => undefined).resume();
    running.write(forgedCall('{"runId":"r_1","activation":1}'));
    await begun.promise;

    running.write(Buffer.concat([messageHead(0, 1_000_000_000), Buffer.alloc(900_000)]));
    expect((await send(session, 900_000)).destroyed).toBe(false);
    expect(running.destroyed).toBe(false);
  });
});

describe("a forged call whose input is not what Restate would send", () => {
  it.each([["run", "null"], ["run", "{}"], ["run", "{"], ["take", "null"], ["take", "[null]"], ["take", "{"]] as const)("%s with %s is refused in one sentence, without the stack of an error", async (name, input) => {
    const endpoint = await open(20_000);
    const stream = (await call(endpoint.port)).request(callHeaders(name === "run" ? runs : outage, name), { endStream: false });

    stream.end(forgedCall(input));

    const answer = await text(stream);
    expect(answer).toMatch(/is not|deserialize/i);
    expect(answer).not.toMatch(/ {4}at |file:|node_modules|TypeError/);
  });
});
