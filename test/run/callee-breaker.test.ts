import { defineAgent, defineFlow, defineTeam } from "longhaul";
import { testTeam, type TestTeam } from "longhaul/testing";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { Duration } from "../../src/base/duration.ts";
import { calleeBreakerDefaults } from "../../src/policy/breaker.ts";
import { openOperatorView } from "../../src/runtime/operator-view.ts";
import { listBreakers } from "../../src/runtime/team-breakers.ts";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

/*
 * Threads that this answers: openclaw/openclaw#35287 and #28847 (many callers retry in phase), #87608 (a cool-down that outlives the outage and survives a restart):
 * here of an agent that others call.
 */

const hourMs = 3_600_000;
const folder = temporaryDirectory();
afterEach(() => folder.remove());

interface World {
  isDown: boolean;
  /** Tasks of the callee that began. */
  calls: number;
  /** How long one takes. */
  takes: Duration | null;
}

/** A callee that does its work unless it is down, and a flow that calls it once. */
function createTeam(world: World) {
  const worker = defineAgent({
    name: "worker",
    input: z.object({ n: z.number().optional() }).nullable(),
    run: async (ctx) => {
      await ctx.step("work", () => ++world.calls);
      if (world.takes !== null) await ctx.sleep(world.takes);
      if (world.isDown) throw new Error("its index is gone");
      return "done";
    },
    limits: { concurrency: 50 },
  });
  const caller = defineFlow({ name: "caller", run: async (ctx) => (await ctx.call(worker, null)).outcome, limits: { concurrency: 100 } });
  const sender = defineFlow({ name: "sender", run: async (ctx) => (await ctx.send(worker, null)).taskId });
  return { worker, caller, sender, team: defineTeam({ name: "t", agents: [worker], flows: [caller, sender] }) };
}

const newWorld = (): World => ({ isDown: true, calls: 0, takes: null });

async function submitAll(team: TestTeam, agent: Parameters<TestTeam["submit"]>[0], count: number): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index++) ids.push(await team.submit(agent, null));
  return ids;
}

const statesOf = (team: TestTeam) => async (ids: readonly string[]) => (await Promise.all(ids.map((id) => team.task(id)))).map(({ status, waitingReason }) => `${status} ${waitingReason ?? ""}`.trim());

/** Opens the breaker of `worker`. */
async function openBreaker(team: TestTeam, caller: Parameters<TestTeam["submit"]>[0]): Promise<void> {
  await submitAll(team, caller, 10);
  await team.settle();
}

describe("an agent that dies whenever it is called", () => {
  it("is called by nobody for a while; its callers wait outside, and come back spread out when it works again", async () => {
    const world = newWorld();
    const { caller, team: definition } = createTeam(world);
    const team = await testTeam(definition);
    const first = await submitAll(team, caller, 10);
    await team.settle();
    expect(await statesOf(team)(first)).toEqual(first.map(() => "dead"));
    expect(await team.records({ eventTypes: ["breaker"] })).toMatchObject([{ result: "open", run_id: null, data: { dependency: "agent worker", from: "closed" } }]);

    const late = await submitAll(team, caller, 40);
    await team.settle();
    expect(await statesOf(team)(late)).toEqual(late.map(() => "waiting breaker"));
    expect(world.calls).toBe(10);
    expect((await team.tasks({ agent: "worker", limit: 1_000 })).length).toBe(10);

    // While it stays broken, one task at a time tries: 1 + 2 + 3 min and so on go by between them.
    await team.advance(hourMs / 2);
    expect(world.calls - 10).toBeGreaterThanOrEqual(4);
    expect(world.calls - 10).toBeLessThanOrEqual(10);
    expect((await statesOf(team)(late)).filter((state) => state === "dead")).toHaveLength(world.calls - 10);

    world.isDown = false;
    await team.advance(hourMs);
    const left = (await statesOf(team)(late)).filter((state) => state !== "dead");
    expect(new Set(left)).toEqual(new Set(["done"]));
    expect(await team.records({ eventTypes: ["breaker"], result: "closed" })).toHaveLength(1);
    const begun = (await team.tasks({ agent: "worker", limit: 1_000 })).map(({ createdAtMs }) => createdAtMs);
    const busiest = Math.max(...[...new Set(begun)].map((at) => begun.filter((other) => Math.abs(other - at) < 1_000).length));
    expect(busiest).toBeLessThanOrEqual(15);
    await team.close();
  });

  it("is sent tasks all the same: they wait in its queue", async () => {
    const world = newWorld();
    const { caller, sender, team: definition } = createTeam(world);
    const team = await testTeam(definition);
    await openBreaker(team, caller);
    world.isDown = false;

    expect(await team.result(await team.submit(sender, null))).toMatchObject({ status: "done" });
    await team.settle();

    expect(world.calls).toBe(11);
    await team.close();
  });

  it("holds nobody back when its tasks die that nobody waits for", async () => {
    const world = newWorld();
    const { worker, sender, caller, team: definition } = createTeam(world);
    const team = await testTeam(definition);
    await submitAll(team, sender, 10);
    await submitAll(team, worker, 10);
    await team.settle();

    expect(await team.records({ eventTypes: ["breaker"] })).toEqual([]);
    expect(await team.result(await team.submit(caller, null))).toMatchObject({ status: "dead" });
    expect(world.calls).toBe(21);
    await team.close();
  });
});

describe("what says nothing against a callee", () => {
  it.each(["verify refuses what it hands in", "it refuses what it is given"])("%s", async (what) => {
    const isGiven = what === "it refuses what it is given";
    const worker = defineAgent({
      name: "worker", limits: { concurrency: 50 },
      input: isGiven ? z.object({ company: z.string() }) : z.null(),
      run: () => Promise.resolve("x"),
      verify: ({ reject }) => reject("not good enough"),
    });
    const caller = defineFlow({ name: "caller", run: async (ctx) => (await ctx.call(worker, null)).outcome, limits: { concurrency: 100 } });
    const team = await testTeam(defineTeam({ name: "t", agents: [worker], flows: [caller] }));
    await submitAll(team, caller, 30);
    await team.settle();

    const reasons = (await team.tasks({ agent: "worker", limit: 100 })).map(({ end }) => (end?.status === "dead" ? end.reason : null));
    expect(reasons).toEqual(Array.from({ length: 30 }, () => (isGiven ? "invalid-input" : "rejected")));
    expect(await team.records({ eventTypes: ["breaker"] })).toEqual([]);
    await team.close();
  });

  it("its tasks are canceled with those that called it", async () => {
    const world = { ...newWorld(), takes: "1d" as const };
    const { caller, team: definition } = createTeam(world);
    const team = await testTeam(definition);
    for (const id of await submitAll(team, caller, 30)) {
      await team.settle();
      await team.cancel(id);
    }

    expect(await team.tasks({ agent: "worker", statuses: ["canceled"], limit: 100 })).toHaveLength(30);
    expect(await team.records({ eventTypes: ["breaker"] })).toEqual([]);
    await team.close();
  });
});

describe("a trial of a callee", () => {
  /** Opens the breaker and waits until one caller tries again. */
  async function openToTrial(world: World): Promise<{ readonly team: TestTeam; readonly waiting: readonly string[] }> {
    const { caller, team: definition } = createTeam(world);
    const team = await testTeam(definition);
    await openBreaker(team, caller);
    const waiting = await submitAll(team, caller, 3);
    world.takes = "3d";
    world.isDown = false;
    await team.advance("2m");
    expect(await statesOf(team)(waiting)).toEqual(expect.arrayContaining(["waiting child", "waiting breaker", "waiting breaker"]));
    return { team, waiting };
  }

  it("that takes days lets another one begin after an hour, and its end counts all the same", async () => {
    const world = newWorld();
    const { team, waiting } = await openToTrial(world);
    expect(world.calls).toBe(11);

    await team.advance(hourMs - 5 * 60_000);
    expect(world.calls).toBe(11);
    await team.advance(15 * 60_000);
    expect(world.calls).toBe(12);
    await team.advance("4d");

    expect(await statesOf(team)(waiting)).toEqual(["done", "done", "done"]);
    expect(await team.records({ eventTypes: ["breaker"], result: "open" })).toHaveLength(1);
    await team.close();
  });

  it("that is canceled leaves its place to the next caller at once", async () => {
    const world = newWorld();
    const { team, waiting } = await openToTrial(world);
    const [trial] = await team.tasks({ agent: "worker", statuses: ["waiting"] });
    await team.cancel(String(trial?.id));
    await team.advance(calleeBreakerDefaults.askAgainMs + 10_000);

    expect((await statesOf(team)(waiting)).filter((state) => state === "waiting child")).toHaveLength(1);
    expect(world.calls).toBe(12);
    await team.close();
  });

  it("costs a caller few steps while it is out", async () => {
    const world = newWorld();
    const { team, waiting } = await openToTrial(world);
    await team.advance("50m");

    const held = await Promise.all(waiting.map((id) => team.task(id)));
    const longest = Math.max(...(await Promise.all(held.map(({ runId }) => team.steps(String(runId))))).map(({ length }) => length));
    expect(longest).toBeLessThanOrEqual(2 * 13);
    await team.close();
  });
});

it("agents that call each other and both were held back do not wait for each other's trials", async () => {
  const world = { isDown: true };
  /** Calls the other one until its depth is 0. */
  const player = (name: string, other: string) =>
    defineAgent({
      name, input: z.object({ depth: z.number() }), limits: { concurrency: 50 },
      run: async (ctx, { depth }) => {
        if (world.isDown) throw new Error("down");
        if (depth > 0) await ctx.call<{ depth: number }, unknown>({ kind: "agent", name: other }, { depth: depth - 1 });
        return depth;
      },
    });
  const [ping, pong] = [player("ping", "pong"), player("pong", "ping")];
  const start = defineFlow({ name: "start", input: z.enum(["ping", "pong"]), run: async (ctx, name) => (await ctx.call(name === "ping" ? ping : pong, { depth: 2 })).output, limits: { concurrency: 50 } });
  const team = await testTeam(defineTeam({ name: "t", agents: [ping, pong], flows: [start] }));
  for (let index = 0; index < 10; index++) for (const name of ["ping", "pong"] as const) await team.submit(start, name);
  await team.settle();
  expect(await team.records({ eventTypes: ["breaker"], result: "open" })).toHaveLength(2);
  world.isDown = false;

  const both = [await team.submit(start, "ping"), await team.submit(start, "pong")];
  for (const id of both) expect(await team.result(id, "5m")).toMatchObject({ status: "done", output: 2 });
  await team.close();
});

it("callers that wait for the breaker of an agent come back at once when a person closes it", async () => {
  const world = newWorld();
  const { team: definition } = createTeam(world);
  const team = await openDiskTeam(definition, { directory: folder.path });
  for (let index = 0; index < 11; index++) {
    await team.submit("caller", null);
    await team.settle();
  }
  world.isDown = false;
  const [waiting] = await team.live.tasks.list({ agent: "caller", statuses: ["waiting"] });
  expect(await team.live.operations.decideBreaker("agent worker", "close", "cli")).toBe("open");
  await team.settle();

  expect(await team.task(String(waiting?.id))).toMatchObject({ status: "done" });
  await team.close();
});

it("the breaker of an agent outlives a crash, is listed, and is set by hand", async () => {
  const world = newWorld();
  const { team: definition } = createTeam(world);
  const team = await openDiskTeam(definition, { directory: folder.path });
  for (let index = 0; index < 10; index++) await team.submit("caller", null);
  await team.settle();
  const next = await team.afterCrash();
  await team.close();
  const taskId = await next.submit("caller", null);
  world.isDown = false;
  await next.settle();
  const view = openOperatorView(next.directory, next.clock);
  const shown = async () => (await listBreakers(view.store.meta, next.clock)).map(({ dependency, state, reason }) => ({ dependency, state, reason }));

  // The crash took a minute.
  expect(await shown()).toEqual([{ dependency: "agent worker", state: "half-open", reason: null }]);

  expect(await next.live.operations.decideBreaker("agent worker", { isolate: "its index is rebuilt" }, "cli")).toBe("half-open");
  expect(await next.result(taskId)).toMatchObject({ status: "done" });
  const held = await next.submit("caller", null);
  await next.advance(2 * hourMs);
  expect(await next.task(held)).toMatchObject({ status: "waiting", waitingReason: "breaker" });
  expect(await next.records({ eventTypes: ["breaker"], result: "refused" })).toMatchObject([{ reason: "agent worker is not called: a person keeps it so: its index is rebuilt." }]);
  expect(await shown()).toEqual([{ dependency: "agent worker", state: "isolated", reason: "its index is rebuilt" }]);

  await next.live.operations.decideBreaker("agent worker", "close", "cli");
  await next.settle();
  expect(await next.task(held)).toMatchObject({ status: "done" });
  await view.close();
  await next.close();
});
