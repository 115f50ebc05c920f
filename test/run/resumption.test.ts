import { defineAgent, defineFlow, defineTeam, parallel, pipeline, type TeamDefinition } from "longhaul";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

/*
 * Threads that this answers: microsoft/agent-framework#3758 (a resumed run skips what failed and reports success), #1695 (it executes the first executor again), #6372 (the barrier
 * of a fan-in loses a message that was there), #7137 (a checkpoint that a new machine does not find), inngest/agent-kit#196 (state is reset within a replay, agents execute again),
 * langchain-ai/langgraph#7780 and #6208 (an interrupt executes its node again), restatedev/sdk-typescript#656 and unkeyed#4979 (a journal that a new version does not match, by
 * values that are never the same). The engines' contract has the same of steps: E2, E3, E8 to E10.
 */

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => void (directory = temporaryDirectory()));
afterEach(() => directory.remove());

const open = (team: TeamDefinition): Promise<DiskTeam> => openDiskTeam(team, { directory: directory.path });

/** Stages that count how often they executed, of which one can be made to fail or to hang. */
function createStages() {
  const world = { executed: { a: 0, b: 0, c: 0 }, failing: null as "b" | null, hanging: null as "a" | "b" | "c" | null };
  const stage = (name: "a" | "b" | "c") =>
    defineAgent({
      name, input: z.string(), output: z.string(),
      run: async (ctx, input) =>
        await ctx.step("work", async () => {
          world.executed[name]++;
          if (world.hanging === name) return await new Promise<never>(() => undefined);
          if (world.failing === name) throw new Error("no index");
          return `${input}${name}`;
        }, { attempts: 1 }),
    });
  return { world, stages: [stage("a"), stage("b"), stage("c")] as const };
}

describe("a line of agents", () => {
  it("whose second one failed is dead after each crash, is never done without it, and goes on with it when it is restarted", async () => {
    const { world, stages } = createStages();
    const definition = defineTeam({ name: "t", agents: [...stages], flows: [pipeline({ name: "line", stages: [...stages] })] });
    world.failing = "b";
    let team = await open(definition);
    const taskId = await team.submit("line", "x");
    await team.settle();
    for (let crash = 0; crash < 3; crash++) {
      const next = await team.afterCrash();
      await team.close();
      team = next;
      await team.settle();
      expect(await team.task(taskId)).toMatchObject({ status: "dead", end: { failure: { message: expect.stringContaining("no index") as string } } });
    }
    expect(world.executed).toEqual({ a: 1, b: 1, c: 0 });
    // From the step that failed on: what was done before it is served.
    world.failing = null;
    const failed = (await team.live.tasks.steps(String((await team.task(taskId)).runId))).find(({ name }) => name === "b");
    await team.live.operations.fork(taskId, failed?.number ?? 0);

    expect(await team.result(taskId)).toMatchObject({ status: "done", output: "xabc" });
    expect(world.executed).toEqual({ a: 1, b: 2, c: 1 });
    await team.close();
  });

  it.each(["a", "b", "c"] as const)("that a crash cut off in %s goes on there, on another machine, with what the others came to", async (name) => {
    const { world, stages } = createStages();
    const definition = defineTeam({ name: "t", agents: [...stages], flows: [pipeline({ name: "line", stages: [...stages] })] });
    world.hanging = name;
    const before = await open(definition);
    const taskId = await before.submit("line", "x");
    await before.settle();
    world.hanging = null;
    const after = await before.afterCrash();

    expect(await after.result(taskId)).toMatchObject({ status: "done", output: "xabc" });
    expect(world.executed).toEqual({ a: 1, b: 1, c: 1, [name]: 2 });
    await before.close();
    await after.close();
  });
});

describe("agents that work at once", () => {
  it("are joined with what each of them came to, whichever of them had ended when a crash came, and none works twice", async () => {
    const executed = new Map<string, number>();
    const names = ["a", "b", "c", "d", "e"] as const;
    const branches = Object.fromEntries(
      names.map((name, index) => [name, defineAgent({ name, run: async (ctx) => {
        await ctx.sleep((index + 1) * 60_000);
        return await ctx.step("work", () => {
          executed.set(name, (executed.get(name) ?? 0) + 1);
          return name;
        });
      } })]),
    );
    let team = await open(defineTeam({ name: "t", agents: Object.values(branches), flows: [parallel({ name: "all", branches })] }));
    const taskId = await team.submit("all", null);
    for (let ended = 0; ended < names.length - 1; ended++) {
      await team.advance(61_000);
      const next = await team.afterCrash();
      await team.close();
      team = next;
    }

    expect(await team.result(taskId)).toMatchObject({ status: "done", output: Object.fromEntries(names.map((name) => [name, { ok: true, output: name, outcome: "unverified" }])) });
    expect([...executed.values()]).toEqual([1, 1, 1, 1, 1]);
    await team.close();
  });

  it("and signals that came before anybody waited for them are there after a crash", async () => {
    const gather = defineFlow({
      name: "gather",
      run: async (ctx) => {
        await ctx.sleep("1h");
        const said: unknown[] = [];
        for (let count = 0; count < 3; count++) said.push(await ctx.waitFor("word"));
        return said;
      },
    });
    const before = await open(defineTeam({ name: "t", agents: [], flows: [gather] }));
    const taskId = await before.submit("gather", null);
    await before.settle();
    const runId = String((await before.task(taskId)).runId);
    for (const word of ["one", "two", "three"]) expect(await before.live.operations.signal(runId, "word", word)).toBe(true);
    const after = await before.afterCrash();

    expect(await after.result(taskId)).toMatchObject({ output: ["one", "two", "three"].map((payload) => ({ timedOut: false, payload })) });
    await before.close();
    await after.close();
  });
});

it("a router that keeps state in code finds it as it was after each crash, and calls nobody again", async () => {
  const { world, stages } = createStages();
  const router = defineFlow({
    name: "router",
    run: async (ctx) => {
      const state: { turns: number; text: string; log: string[] } = { turns: 0, text: "", log: [] };
      // What comes next depends on all that was so far.
      while (state.text.length < 9) {
        const next = stages[(state.text.length + state.turns) % 3];
        if (next === undefined) break;
        const { output } = await ctx.call(next, state.text);
        state.text = output;
        state.turns++;
        state.log.push(`${state.turns}${next.name}`);
        await ctx.sleep("10m");
      }
      return state;
    },
  });
  const definition = defineTeam({ name: "t", agents: [...stages], flows: [router] });
  let team = await open(definition);
  const taskId = await team.submit("router", null);
  for (let crash = 0; crash < 4; crash++) {
    await team.advance(17 * 60_000);
    const next = await team.afterCrash();
    await team.close();
    team = next;
  }

  const end = await team.result(taskId);
  expect(end).toMatchObject({ status: "done", output: { turns: 9, text: "acbacbacb", log: ["1a", "2c", "3b", "4a", "5c", "6b", "7a", "8c", "9b"] } });
  expect(world.executed).toEqual({ a: 3, b: 3, c: 3 });
  await team.close();
});

it("what stands before a wait for people is not executed again when they answer, however long they take and whatever crashes", async () => {
  let executed = 0;
  const asking = defineAgent({
    name: "asking",
    run: async (ctx) => {
      const draft = await ctx.step("draft", () => `draft ${++executed}`);
      const [first, second] = await Promise.all([ctx.waitFor("first"), ctx.waitFor("second")]);
      return { draft, said: [first, second] };
    },
  });
  const before = await open(defineTeam({ name: "t", agents: [asking] }));
  const taskId = await before.submit("asking", null);
  await before.settle();
  const { runId } = await before.task(taskId);
  await before.live.operations.signal(String(runId), "second", "no");
  await before.advance(2 * 3_600_000);
  const after = await before.afterCrash();
  await after.live.operations.signal(String(runId), "first", "yes");

  expect(await after.result(taskId)).toMatchObject({ output: { draft: "draft 1", said: [{ payload: "yes" }, { payload: "no" }] } });
  expect(executed).toBe(1);
  await before.close();
  await after.close();
});

it("a run goes on with a new version whose failures come from other lines, and whose texts are never the same", async () => {
  const keys: string[] = [];
  let drawn = 0;
  /** `version` changes the messages, the stack and the arguments, and nothing that a step is known by. */
  const definition = (version: string) => {
    const helper = defineAgent({ name: "helper", input: z.object({ at: z.string() }), run: async (_, { at }) => at.length > 0 });
    const deeper = (): never => {
      throw new TypeError(`${version} at ${++drawn}`);
    };
    return defineTeam({
      name: "t",
      agents: [helper, defineAgent({
        name: "main",
        run: async (ctx) => {
          const failed = await ctx.step("fails", version === "old" ? () => deeper() : () => { throw new RangeError(version); }, { attempts: 1 }).catch((error: unknown) => String(error));
          await ctx.call(helper, { at: `${version} ${++drawn}` });
          await ctx.note(`${version} ${++drawn}`);
          await ctx.sleep("1h");
          await ctx.step("last", ({ idempotencyKey }) => void keys.push(idempotencyKey));
          return failed;
        },
      })],
    });
  };
  const before = await open(definition("old"));
  const taskId = await before.submit("main", null);
  await before.settle();
  const after = await before.afterCrash({}, definition("new"));

  expect(await after.result(taskId)).toMatchObject({ status: "done", output: expect.stringMatching(/^TypeError: old at \d/) as string });
  expect(await after.live.tasks.list({ agent: "helper" })).toHaveLength(1);
  expect(keys).toEqual([`${String((await after.task(taskId)).runId)}/code/last/1`]);
  await before.close();
  await after.close();
});
