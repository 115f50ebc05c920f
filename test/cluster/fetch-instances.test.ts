import { createServer, type ServerHttp2Session } from "node:http2";
import { once } from "node:events";
import { serve } from "@hono/node-server";
import { afterEach, describe, expect, it } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { until } from "../../src/base/fixture/until.ts";
import { integerBetween, seededRandom } from "../../src/base/random.ts";
import { sharedPostgres } from "../../src/db/fixture/postgres-server.ts";
import { agentA, createGate, done, value } from "../../src/engine/engine-fixture.testsuite.ts";
import type { Execute } from "../../src/engine/engine.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import { sharedRestate } from "../../src/engine/restate/fixture/restate-server.ts";
import { RestateClient } from "../../src/engine/restate/restate-client.ts";
import type { FetchHandler } from "../../src/engine/restate/restate-fetch.ts";
import { type EngineWorker, openEngineWorker } from "./fixture/engine-worker.ts";

let teams = 0;
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** One address behind which a platform executes: `route` says which instance has the next request. */
async function deploy(route: (path: string) => FetchHandler): Promise<number> {
  const port = await freePort();
  const sessions = new Set<ServerHttp2Session>();
  const server = serve({ hostname: "127.0.0.1", port, createServer, fetch: async (request) => await route(new URL(request.url).pathname)(request) });
  server.on("session", (session: ServerHttp2Session) => sessions.add(session));
  closing.push(async () => {
    const closed = once(server, "close");
    server.close();
    for (const session of sessions) session.destroy();
    await closed;
  });
  return port;
}

interface Instances {
  readonly workers: readonly [EngineWorker, EngineWorker];
  /** Which step was executed where. */
  readonly executed: string[];
  /** Of the steps that are held. */
  readonly signals: AbortSignal[];
  readonly release: () => void;
  /** From now on runs are executed by the other one. */
  readonly part: () => void;
  /** From now on each request is anyone's. */
  readonly share: () => void;
}

/** Two instances behind a fetch handler; the first one has all requests. A run is two steps, of which the first one is held until `release`. */
async function openTwo(): Promise<Instances> {
  const url = await (await sharedPostgres()).createDatabase();
  const team = `cutserve${process.pid}x${++teams}`;
  const handlers: FetchHandler[] = [];
  const random = seededRandom("who has a request");
  let [isShared, isParted] = [false, false];
  const port = await deploy((path) => handlers[isShared ? integerBetween(random, 0, 1) : Number(isParted && path.endsWith("/run"))] as FetchHandler);
  const workers: EngineWorker[] = [];
  const executed: string[] = [];
  const signals: AbortSignal[] = [];
  const gate = createGate();
  const executeAt = (name: string): Execute => async (ctx) => {
    for (const step of ["held", "last"]) {
      await ctx.step({ kind: "code", name: step }, async ({ signal }) => {
        executed.push(`${step} ${name}`);
        if (step === "held") {
          signals.push(signal);
          await gate.opened;
        }
        return value(step);
      });
    }
    return done("went on");
  };
  for (const name of ["one", "other"]) {
    const worker = await openEngineWorker({ team, url, port: 0, lane: { port }, recallMsMax: 50 });
    closing.push(() => worker.close());
    workers.push(worker);
    handlers.push(await worker.engine.serve([{ ...agentA, concurrency: 8 }], executeAt(name)));
  }
  closing.push(async () => gate.open());
  const { admin, ingress } = await sharedRestate();
  await new RestateClient({ admin, ingress }, systemClock).register(`http://127.0.0.1:${port}`, team);
  return { workers: workers as [EngineWorker, EngineWorker], executed, signals, release: () => gate.open(), share: () => void (isShared = true), part: () => void (isParted = true) };
}

const newTask = (id: string) => ({ id, agent: "a", input: null, key: null, priority: 0, notBeforeAtMs: 0, deadlineAtMs: systemClock.now() + 3_600_000, depth: 0, source: "test" });

describe("an instance behind a fetch handler that does not reach PostgreSQL any more", () => {
  it("gives back the run of which a step ends meanwhile, with what that came to, and keeps no slots from others", async () => {
    const { workers: [one, other], executed, release, share } = await openTwo();
    await other.engine.start(newTask("t_1"));
    await until("the step executes", () => executed.length === 1);

    one.way.cut("silent");
    share();
    release();
    await sleep(systemClock, 100);
    await other.engine.start(newTask("t_2"));

    const ends = Promise.all(["t_1", "t_2"].map((id) => other.engine.result(id)));
    expect(await Promise.race([ends, sleep(systemClock, 45_000)])).toMatchObject([{ status: "done" }, { status: "done" }]);
    expect(executed.filter((step) => step === "held one")).toEqual(["held one"]);
    expect(await other.engine.get("t_1")).toMatchObject({ recoveries: 0 });
    expect([...one.faults, ...other.faults]).toEqual([]);
  });
});

describe("an instance behind a fetch handler whose run is over by somebody else's word", () => {
  it("tells its step to stop", async () => {
    const { workers: [one, other], executed, signals } = await openTwo();
    await other.engine.start(newTask("t_1"));
    await until("the step executes", () => executed.length === 1);

    await other.engine.cancel("t_1", "not wanted");
    await until("the step is told", () => signals[0]?.aborted === true);

    expect(signals[0]?.reason).toMatchObject({ code: "TASK_CANCELED" });
    expect([...one.faults, ...other.faults]).toEqual([]);
  });
});

describe("an instance that gives slots to runs that another one executes", () => {
  it("does not wait for them for ever", async () => {
    const { workers: [one, other], release, part } = await openTwo();
    part();
    release();

    await other.engine.start(newTask("t_1"));
    expect(await other.engine.result("t_1")).toMatchObject({ status: "done" });

    await until("it is still", () => one.engine.isStill());
  });
});
