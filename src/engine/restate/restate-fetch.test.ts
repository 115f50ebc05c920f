import { once } from "node:events";
import type { Server } from "node:http";
import { serve } from "@hono/node-server";
import { afterAll, describe, expect, it } from "vitest";
import type { Json } from "../../base/json.ts";
import type { EngineContext } from "../engine.ts";
import { agentA, code, createGate, done, newTask, quiet, until, type Gate } from "../engine-fixture.testsuite.ts";
import { freePort } from "../../base/fixture/free-port.ts";
import { queryRestate, sharedRestate } from "./fixture/restate-server.ts";
import type { FetchHandler } from "./restate-fetch.ts";
import { serviceNames } from "./service-names.ts";
import { restateSuite, type RestateFixture } from "./restate-fixture.testsuite.ts";

const suite = restateSuite();
const closing: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closing) await close();
  await suite.destroy();
});

/** By which a handler tells Restate that it is over: the header of a message without a body. */
const endMessage = Buffer.from([0, 3, 0, 0, 0, 0, 0, 0]);

type Code = (ctx: EngineContext) => Promise<Json>;

interface Deployed {
  readonly requests: () => number;
  /** Another engine answers from now on. */
  readonly handOver: (next: RestateFixture) => Promise<void>;
  /** Ends all requests that are under way, as a platform does with those that take too long. */
  readonly endRequests: () => void;
  /** Of the next call that ends, Restate hears what it came to, and not that it is over. */
  loseEnd(): void;
  /** How often Restate has heard that a call of a run is over. */
  readonly ends: () => number;
  /** Requests from now on wait for other code. */
  hold(): void;
  /** True when one does. */
  readonly isHolding: () => boolean;
  /** Puts other code behind the same address. */
  replace(fixture: RestateFixture, version: string, execute: Code): Promise<void>;
}

/** The handler behind a plain HTTP/1.1 server, as a platform would run it, and Restate told of it. */
async function deploy(fixture: RestateFixture, execute: Code, agent = agentA): Promise<Deployed> {
  let requests = 0;
  let replaced: Gate | null = null;
  let held = 0;
  let isEndLost = false;
  let ends = 0;
  const serveBy = ({ engine }: RestateFixture, by: Code, version = agent.version): Promise<FetchHandler> => engine.serve([{ ...agent, version }], async (ctx) => done(await by(ctx)));
  let handler = await serveBy(fixture, execute);
  const port = await freePort();
  const server = serve({ hostname: "127.0.0.1", port, fetch: async (request) => {
    requests++;
    if (replaced !== null) held++;
    await replaced?.opened;
    const answer = await handler(request);
    const { status, headers } = answer;
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (!request.url.includes(`${serviceNames(fixture.place.team).runs}/`) || !bytes.subarray(-endMessage.length).equals(endMessage)) return new Response(bytes, { status, headers });
    const isLost = isEndLost;
    isEndLost = false;
    if (!isLost) ends++;
    return new Response(isLost ? bytes.subarray(0, -endMessage.length) : bytes, { status, headers });
  } });
  closing.push(async () => {
    const closed = once(server, "close");
    server.close();
    // Restate keeps its connections open.
    (server as Server).closeAllConnections();
    await closed;
  });
  const { admin, ingress } = await sharedRestate();
  const answer = await fetch(`${admin}/deployments`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ uri: `http://127.0.0.1:${port}`, use_http_11: true }) });
  expect({ ok: answer.ok, said: answer.ok ? "" : await answer.text() }).toEqual({ ok: true, said: "" });
  // What is registered is known where calls begin a moment later, and no worker sweeps here what was refused meanwhile.
  const slots = `${ingress}/${serviceNames(fixture.place.team).slots}/${agent.name}/dispatch`;
  await until(async () => (await fetch(slots, { method: "POST" })).ok, "Restate gives the slots of the agent");
  return {
    requests: () => requests,
    endRequests: () => (server as Server).closeAllConnections(),
    handOver: async (next) => void (handler = await serveBy(next, execute)),
    loseEnd: () => void (isEndLost = true),
    ends: () => ends,
    hold: () => void (replaced = createGate()),
    isHolding: () => held > 0,
    async replace(next, version, by) {
      handler = await serveBy(next, by, version);
      replaced?.open();
      replaced = null;
    },
  };
}

/** How many calls of the team's services Restate has under way. */
async function callsUnderWay(team: string): Promise<number> {
  const { admin } = await sharedRestate();
  const query = `SELECT count(*) AS n FROM sys_invocation WHERE target LIKE 'longhaul.${team}.%' AND status <> 'completed'`;
  return Number((await queryRestate(admin, query))[0]?.["n"] ?? -1);
}

describe("the engine behind a fetch handler", () => {
  it("executes each step once over many requests, waits without one, and counts no request as a crash", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    const log: string[] = [];
    const { requests } = await deploy(fixture, async (ctx) => {
      if (ctx.task.source === "child") return await code(ctx, "child", () => "of the child");
      const one = await code(ctx, "one", () => log.push("one"));
      const both = await Promise.all(["a", "b"].map((name) => code(ctx, name, () => log.push(name))));
      const word = await ctx.wait({ name: "word", reason: "human", signal: "word" });
      const end = await ctx.child({ kind: "child", name: "call" }, newTask(fixture, { source: "child" }));
      return [one, both.length, word.by === "signal" ? word.payload : null, end.status === "done" ? end.output : null];
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(async () => (await fixture.engine.get(taskId))?.status === "waiting", "it waits for a word");
    await quiet(fixture);
    const asleep = requests();
    await fixture.settle();
    expect(requests()).toBe(asleep);

    await fixture.engine.signal(String((await fixture.engine.get(taskId))?.runId), "word", "go", "1");

    expect(await fixture.engine.result(taskId)).toMatchObject({ status: "done", output: [1, 2, "go", "of the child"] });
    expect(log.toSorted()).toEqual(["a", "b", "one"]);
    expect(await fixture.engine.get(taskId)).toMatchObject({ recoveries: 0 });
    expect(requests()).toBeGreaterThan(asleep);
  });

  it("counts a crash of each request that the platform ends before its step: a step that is longer than the platform's limit is not paid for without end", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    let executed = 0;
    const { endRequests } = await deploy(fixture, (ctx) => code(ctx, "work", () => (++executed === 1 ? new Promise<never>(() => undefined) : "worked")));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(() => executed === 1, "the step executes");

    endRequests();

    expect(await fixture.engine.result(taskId)).toMatchObject({ status: "done", output: "worked" });
    expect(await fixture.engine.get(taskId)).toMatchObject({ recoveries: 1 });
  });

  it("ends a call of which Restate has noted what it came to and not that it is over", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    const deployed = await deploy(fixture, async (ctx) => [await code(ctx, "a", () => 1), await code(ctx, "b", () => 2)]);
    deployed.loseEnd();

    const { taskId } = await fixture.engine.start(newTask(fixture));

    expect(await fixture.engine.result(taskId)).toMatchObject({ status: "done", output: [1, 2] });
    await until(() => deployed.ends() === 1, "Restate knows that the call is over");
    await until(async () => (await callsUnderWay(fixture.place.team)) === 0, "no call is left");
  });

  it("does not leave memory for a wait whose end an earlier request was told of", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    const { engine, observer } = fixture;
    const wasTold = async (): Promise<boolean> => (await observer.get("SELECT 1 AS one FROM lh_told WHERE steps LIKE '%\"word\"%'")) !== undefined;
    let isBegun = false;
    let isHeld: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (isHeld = resolve));
    await deploy(fixture, async (ctx) => {
      isBegun = true;
      await held;
      const { by } = await ctx.wait({ name: "word", reason: "human", signal: "word" });
      await code(ctx, "after it", () => until(wasTold, "it is stored that code was told").then(() => null));
      return [by, await code(ctx, "last", () => "last")];
    });
    const { taskId } = await engine.start(newTask(fixture));
    await until(() => isBegun, "it has begun");
    const runId = String((await engine.get(taskId))?.runId);

    // It begins to wait, and is answered before it can leave memory.
    const signaled: Promise<boolean>[] = [];
    await observer.transaction(async (tx) => {
      await tx.run("SELECT 1 FROM lh_task WHERE id = $1 FOR UPDATE", taskId);
      const waiting = async (): Promise<number> => Number((await tx.get("SELECT count(*) AS n FROM pg_locks WHERE NOT granted"))?.["n"]);
      isHeld();
      await until(async () => (await waiting()) === 1, "the wait is kept");
      signaled.push(engine.signal(runId, "word", "go", "1"));
      await until(async () => (await waiting()) === 2, "its answer is kept");
    });

    expect(await Promise.all(signaled)).toEqual([true]);
    await until(async () => (await engine.get(taskId))?.status === "done", "it has ended");
    expect(await engine.result(taskId)).toMatchObject({ output: ["signal", "last"] });
  });

  it("leaves no call with Restate while it waits", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    const { engine, place } = fixture;
    await deploy(fixture, async (ctx) => (await ctx.wait({ name: "word", reason: "human", signal: "word" })).by);

    const { taskId } = await engine.start(newTask(fixture));
    await until(async () => (await engine.get(taskId))?.status === "waiting", "it waits for a word");

    await until(async () => (await callsUnderWay(place.team)) === 0, "Restate has nothing under way");
    expect(await engine.cancel(taskId, "not wanted")).toBe(true);
  });

  it("goes on with other code between two requests: what had completed is told to it, and nothing is counted as a crash", async () => {
    const old = (await suite.create()) as RestateFixture;
    const log: string[] = [];
    const step = (ctx: EngineContext, name: string): Promise<Json> => code(ctx, name, () => {
      log.push(name);
      if (log.length === 2) deployed.hold();
      return name;
    });
    const deployed = await deploy(old, async (ctx) => [...(await Promise.all([step(ctx, "one"), step(ctx, "two")])), await step(ctx, "old")]);
    const { taskId } = await old.engine.start(newTask(old));
    await until(deployed.isHolding, "a request comes after both have completed");
    const next = (await suite.crash(old)) as RestateFixture;
    await deployed.replace(next, "2", async (ctx) => [...(await Promise.all([step(ctx, "two"), step(ctx, "one")])), await step(ctx, "new")]);

    expect(await next.engine.result(taskId)).toMatchObject({ status: "done", output: ["two", "one", "new"] });
    expect(log.toSorted()).toEqual(["new", "one", "two"]);
    expect(await next.engine.get(taskId)).toMatchObject({ recoveries: 0 });
  });

  it("gives no slots while it drains: the call for them is the next one's", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    let isHeld = false;
    const { requests, handOver } = await deploy(fixture, async (ctx) => {
      if (ctx.task.source === "queued") return "went on";
      return await code(ctx, "hold", () => {
        isHeld = true;
        return new Promise<never>(() => undefined);
      });
    }, { ...agentA, concurrency: 1 });
    const held = await fixture.engine.start(newTask(fixture));
    await until(() => isHeld, "it executes");
    const queued = await fixture.engine.start(newTask(fixture, { source: "queued" }));
    await fixture.settle();

    const drained = fixture.engine.drain(60_000);
    const before = requests();
    await fixture.engine.cancel(held.taskId, "its slot is wanted");
    await drained;
    await until(() => requests() > before + 1, "Restate asked it for slots, and asked again");
    const next = (await suite.reopen(fixture)) as RestateFixture;
    await handOver(next);

    expect(await next.engine.result(queued.taskId)).toMatchObject({ status: "done", output: "went on" });
  });

  it("cancels a run between two requests", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    await deploy(fixture, async (ctx) => (await ctx.wait({ name: "word", reason: "human", signal: "word" })).by);
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(async () => (await fixture.engine.get(taskId))?.status === "waiting", "it waits for a word");

    expect(await fixture.engine.cancel(taskId, "not wanted")).toBe(true);

    expect(await fixture.engine.result(taskId)).toEqual({ status: "canceled", reason: "not wanted" });
  });
});
