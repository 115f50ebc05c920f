import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agentA, done } from "../../src/engine/engine-fixture.testsuite.ts";
import { expectOrder, explore, inShortRun, type Move, raceTimeout } from "./fixture/explore.ts";
import type { Machine } from "./fixture/linearizable.ts";
import type { World } from "./fixture/world.ts";

type State = { readonly isDraining: boolean; readonly tasks: readonly string[]; readonly canceled: readonly string[] };

const ids = ["A", "B", "C"];

/** Whoever is told that a task was created finds it in the file; after the drain began nobody is told so. */
const machine: Machine<State> = {
  begin: { isDraining: false, tasks: [], canceled: [] },
  perform(state, name) {
    const [what, id = ""] = name.split(" ");
    const isKnown = state.tasks.includes(id);
    switch (what) {
      case "submit":
        if (state.isDraining) return { state, told: { refused: "ENGINE_CLOSED" } };
        return { state: isKnown ? state : { ...state, tasks: [...state.tasks, id].toSorted() }, told: { created: !isKnown } };
      case "drain":
        return { state: { ...state, isDraining: true }, told: "drained" };
      case "result":
        return isKnown ? null : { state, told: { refused: "TASK_UNKNOWN" } };
      default:
        return { state, told: null };
    }
  },
  advance: () => [],
};

function movesOf(world: World, name: string): Move["make"] {
  const [what = "", id = ""] = name.split(" ");
  switch (what) {
    case "submit":
      return () => world.ask(name, async (engine) => ({ created: (await engine.start(world.newTask({ id }))).created }));
    case "drain":
      return () => drain(world, name, Number(id));
    case "returns":
      return () => world.open(name);
    default:
      return () => world.pass(Number(what));
  }
}

function drain(world: World, name: string, timeoutMs: number): void {
  world.isDrained = true;
  const changesBefore = world.changes.length;
  world.ask(name, async (engine) => {
    const { interrupted } = await engine.drain(timeoutMs);
    const released = world.changes.slice(changesBefore).filter(({ task, from }) => from === "running" && task.status === "queued");
    expect(interrupted, "what the drain reports").toBe(released.length);
    return "drained";
  });
}

describe("races", () => {
  it("submits and the drain", raceTimeout, async ({ task }) => {
    const interleavings = await explore(task.name, {
      runs: 250,
      setup: fc.record({ timeoutMs: fc.constantFrom(0, 1_000), concurrency: fc.integer({ min: 1, max: 3 }), moves: fc.subarray(["submit C", "submit A"]) }),
      prepare: (_, world) => world.settle(),
      world: ({ concurrency }, world) => ({
        agents: [{ ...agentA, concurrency }],
        async work(ctx, life) {
          await world().body(ctx, "one", { gate: `returns ${ctx.task.id}`, life });
          return done(await world().body(ctx, "two", { gate: "returns A", life }));
        },
      }),
      actors: ({ timeoutMs, moves }, world) => 
        [[`drain ${timeoutMs}`, "2000 ms"], ...["submit A", "submit B", "returns A", "returns B", "returns C", ...moves].map((name) => [name])].map((names) => names.map((name) => ({ name, make: movesOf(world, name) }))),
      async check(_, world) {
        await world.engine.drain(0);
        const left = await world.engine.list({});
        expectOrder(world, machine, { isDraining: true, tasks: left.map(({ id }) => id).toSorted() });
        expect(left.filter(({ status }) => status === "running" || status === "waiting"), "tasks that a drained engine executes").toEqual([]);

        await world.engine.close();
        world.isDrained = false;
        for (const id of ids) world.gate(`returns ${id}`).open();
        world.takeOver();
        await world.settle();

        const after = await world.engine.list({});
        expect(after.map(({ id, status, recoveries }) => ({ id, status, recoveries }))).toEqual(left.map(({ id }) => ({ id, status: "done", recoveries: 0 })));
        expect(world.violations()).toEqual([]);
      },
    });

    expect(interleavings).toBeGreaterThanOrEqual(inShortRun(240));
  });
});
