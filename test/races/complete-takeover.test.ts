import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agentA, done } from "../../src/engine/engine-fixture.testsuite.ts";
import { expectOrder, explore, inShortRun, type Move, raceTimeout } from "./fixture/explore.ts";
import type { Machine } from "./fixture/linearizable.ts";
import type { World } from "./fixture/world.ts";

type State = {
  /** The engine that owns the file. */
  readonly owner: number;
  readonly opened: readonly string[];
  /** Which engine completed each step. */
  readonly values: readonly number[];
  readonly status: "open" | "done" | "canceled";
};

const steps = ["one", "two"];

/** Two steps one after the other, each executed by whoever owns the file. What an engine returns after it was taken over does not exist. */
const machine: Machine<State> = {
  begin: { owner: 1, opened: [], values: [], status: "open" },
  perform(state, name) {
    switch (name) {
      case "crash":
        return { state: { ...state, owner: state.owner + 1 }, told: null };
      case "cancel":
        return { state: state.status === "open" ? { ...state, status: "canceled" } : state, told: state.status === "open" };
      case "result":
        return state.status === "open" ? null : { state, told: state.status };
      default:
        return { state: { ...state, opened: [...state.opened, name] }, told: null };
    }
  },
  advance(state) {
    const step = steps[state.values.length];
    if (state.status !== "open" || !state.opened.includes(`${step}${state.owner}`)) return [];
    const values = [...state.values, state.owner];
    return [{ ...state, values, status: values.length === steps.length ? "done" : "open" }];
  },
};

function movesOf(world: World, name: string): Move["make"] {
  switch (name) {
    case "crash":
      return () => world.takeOver();
    case "cancel":
      return () => world.ask(name, (engine) => engine.cancel("t", "not wanted"));
    case "result":
      return () => world.ask(name, async (engine) => (await engine.result("t")).status);
    default:
      return () => world.open(name);
  }
}

describe("races", () => {
  it("an engine that was taken over, and its heirs", raceTimeout, async ({ task }) => {
    const interleavings = await explore(task.name, {
      runs: 300,
      setup: fc.record({ crashes: fc.integer({ min: 1, max: 2 }), others: fc.subarray(["cancel", "result", "result"]) }),
      prepare: async (_, world) => void (await world.engine.start(world.newTask({ id: "t" }))),
      world: (_, world) => ({
        agents: [agentA],
        work: async (ctx, life) => {
          const values = [];
          for (const step of steps) values.push(await world().body(ctx, step, { gate: `${step}${life}`, life, output: life }));
          return done(values);
        },
      }),
      actors({ crashes, others }, world) {
        const lives = Array.from({ length: crashes + 1 }, (_, index) => steps.map((step) => `${step}${index + 1}`));
        const actors = [Array.from({ length: crashes }, () => "crash"), ...lives, ...others.map((name) => [name])];
        return actors.map((names) => names.map((name) => ({ name, make: movesOf(world, name) })));
      },
      async check(_, world) {
        const { end } = (await world.engine.get("t")) ?? {};
        expectOrder(world, machine, end?.status === "done" ? { status: "done", values: end.output as number[] } : { status: "canceled" });
      },
    });

    expect(interleavings).toBeGreaterThanOrEqual(inShortRun(290));
  });
});
