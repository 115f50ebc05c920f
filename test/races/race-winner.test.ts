import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { messageOf } from "../../src/base/error.ts";
import type { Json } from "../../src/base/json.ts";
import { macrotask } from "../../src/base/turn.ts";
import type { EngineContext } from "../../src/engine/engine.ts";
import { agentA, done } from "../../src/engine/engine-fixture.testsuite.ts";
import { explore, inShortRun, type Move, raceTimeout } from "./fixture/explore.ts";
import type { World } from "./fixture/world.ts";

/** Durable code that awaits several things at once, as data. Leaves have names of their own. */
type Race =
  | { readonly type: "step"; readonly name: string; readonly fails: boolean }
  | { readonly type: "signal" | "timer" | "either"; readonly name: string }
  | { readonly type: "race" | "any" | "all" | "allSettled"; readonly parts: readonly Race[] };

type Leaf = Extract<Race, { readonly name: string }>;

const { tree } = fc.letrec<{ tree: Race; leaf: Race; node: Race }>((tie) => ({
  leaf: fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constant("step" as const), name: fc.constant(""), fails: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constantFrom("signal" as const, "timer" as const, "either" as const), name: fc.constant("") }) },
  ),
  node: fc.record({ type: fc.constantFrom("race" as const, "any" as const, "all" as const, "allSettled" as const), parts: fc.array(tie("tree"), { minLength: 2, maxLength: 3 }) }),
  tree: fc.oneof({ maxDepth: 2, depthSize: "small" }, tie("leaf"), tie("node")),
}));

/** A race over two or three parts, whose leaves are named in order. */
const races = fc.record({ type: fc.constantFrom("race" as const, "any" as const, "all" as const), parts: fc.array(tree, { minLength: 2, maxLength: 3 }) }).map((race) => named(race, { count: 0 }));

function named(race: Race, place: { count: number }): Race {
  if ("parts" in race) return { ...race, parts: race.parts.map((part) => named(part, place)) };
  return { ...race, name: `l${++place.count}` };
}

function leavesOf(race: Race): readonly Leaf[] {
  return "parts" in race ? race.parts.flatMap(leavesOf) : [race];
}

/** What native promises make of it. */
async function settle(race: Race, leaf: (leaf: Leaf) => Promise<Json>): Promise<Json> {
  if (!("parts" in race)) return await leaf(race);
  const parts = race.parts.map((part) => settle(part, leaf));
  switch (race.type) {
    case "race":
      return await Promise.race(parts);
    case "any":
      return await Promise.any(parts);
    case "all":
      return await Promise.all(parts);
    case "allSettled":
      return (await Promise.allSettled(parts)).map((end) => (end.status === "fulfilled" ? end.value : messageOf(end.reason)));
  }
}

async function outcome(result: Promise<Json>): Promise<Json> {
  return await result.then((value) => ({ value }), (error: unknown) => ({ error: error instanceof AggregateError ? error.errors.map(messageOf) : messageOf(error) }));
}

async function leafOf(world: World, ctx: EngineContext, life: number, leaf: Leaf): Promise<Json> {
  if (leaf.type === "step") return await world.body(ctx, leaf.name, { gate: leaf.name, life, output: leaf.name, fails: leaf.fails });
  const timeoutMs = 1_000 * Number(leaf.name.slice(1));
  const end = await ctx.wait({ name: leaf.name, reason: "signal", ...(leaf.type === "timer" ? {} : { signal: leaf.name }), ...(leaf.type === "signal" ? {} : { timeoutMs }) });
  return `${leaf.name} ${end.by}`;
}

/** The model: the same expression over plain promises, which settle one by one in the order of the journal. */
async function replayOf(race: Race, world: World): Promise<Json> {
  const runId = (await world.engine.get("t"))?.runId ?? "";
  const settlers = new Map<string, PromiseWithResolvers<Json>>(leavesOf(race).map(({ name }) => [name, Promise.withResolvers<Json>()]));
  for (const { promise } of settlers.values()) promise.catch(() => undefined); // A loser's failure is nobody's.
  let winner: Json | undefined;
  void outcome(settle(race, async ({ name }) => await (settlers.get(name)?.promise ?? Promise.reject(new Error(name))))).then((came) => (winner = came));
  for (const step of await world.engine.steps(runId)) {
    if (winner !== undefined) break;
    if (!step.outcome.ok) settlers.get(step.name)?.reject(new Error(step.outcome.failure.message));
    else if (step.kind === "wait") settlers.get(step.name)?.resolve(`${step.name} ${(step.outcome.value as { readonly by: string }).by}`);
    else settlers.get(step.name)?.resolve(step.outcome.value);
    await macrotask();
  }
  return winner ?? "nobody";
}

function movesOf(world: World, leaf: Leaf): Move {
  if (leaf.type === "step") return { name: `open ${leaf.name}`, make: () => world.gate(leaf.name).open() };
  if (leaf.type === "timer") return { name: "2000 ms", make: () => world.pass(2_000) };
  return { name: `signal ${leaf.name}`, make: () => world.ask(leaf.name, async (engine) => await engine.signal((await engine.get("t"))?.runId ?? "", leaf.name, null, leaf.name)) };
}

/** What the code of each life saw win. */
const seen = new WeakMap<World, Json[]>();

describe("races", () => {
  it("Promise.race, any and all over crashes", raceTimeout, async ({ task }) => {
    const interleavings = await explore(task.name, {
      runs: 400,
      setup: fc.record({ race: races, crashes: fc.integer({ min: 0, max: 3 }) }),
      async prepare(_, world) {
        seen.set(world, []);
        await world.engine.start(world.newTask({ id: "t" }));
        while ((await world.engine.get("t"))?.runId === null) await world.clock.advance(0);
      },
      world: ({ race }, world) => ({
        agents: [agentA],
        async work(ctx, life) {
          const came = await outcome(settle(race, (leaf) => leafOf(world(), ctx, life, leaf)));
          seen.get(world())?.push(came);
          return done([came, await world().body(ctx, "after", { gate: "after", life, output: came })]);
        },
      }),
      actors({ race, crashes }, world) {
        const crash: Move = { name: "crash", make: () => world.takeOver() };
        const after: Move = { name: "open after", make: () => world.gate("after").open() };
        return [...leavesOf(race).map((leaf) => [movesOf(world, leaf)]), [after], Array.from({ length: crashes }, () => crash)];
      },
      async check({ race }, world) {
        // Signals that a fenced engine refused are not sent again, and time may not have gone far enough.
        for (const leaf of leavesOf(race)) await movesOf(world, leaf).make();
        await world.pass(60_000);
        await world.settle();
        const model = await replayOf(race, world);
        const { end } = (await world.engine.get("t")) ?? {};

        expect(end, `after ${world.trace.join(" ")}`).toMatchObject({ status: "done", output: [model, model] });
        expect(seen.get(world), `after ${world.trace.join(" ")}`).toEqual((seen.get(world) ?? []).map(() => model));
        expect(world.violations()).toEqual([]);
      },
    });

    expect(interleavings).toBeGreaterThanOrEqual(inShortRun(390));
  });
});
