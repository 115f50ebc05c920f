import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agentA, done } from "../../src/engine/engine-fixture.testsuite.ts";
import { expectOrder, explore, inShortRun, type Move, raceTimeout } from "./fixture/explore.ts";
import type { Machine } from "./fixture/linearizable.ts";
import type { World } from "./fixture/world.ts";

type State = { readonly status: "open" | "done" | "dead" | "canceled"; readonly isReturning: boolean };

/** A task that may be begun again after it was canceled or died, and never while it is open or done. */
function machineOf(fails: boolean): Machine<State> {
  return {
    begin: { status: "open", isReturning: false },
    perform(state, name) {
      const { status } = state;
      switch (name) {
        case "cancel":
          return { state: status === "open" ? { ...state, status: "canceled" } : state, told: status === "open" };
        case "restart":
          if (status === "open" || status === "done") return { state, told: { refused: "TASK_STATE" } };
          return { state: { ...state, status: "open" }, told: "queued" };
        default:
          return { state: { ...state, isReturning: state.isReturning || name === "returns" }, told: null };
      }
    },
    advance: (state) => (state.status === "open" && state.isReturning ? [{ ...state, status: fails ? "dead" : "done" }] : []),
  };
}

function movesOf(world: World, name: string): Move["make"] {
  switch (name) {
    case "cancel":
      return () => world.ask(name, (engine) => engine.cancel("t", "not wanted"));
    case "restart":
      return () => world.ask(name, async (engine) => (await engine.restart("t")).status);
    case "crash":
      return () => world.takeOver();
    default:
      return () => world.open(name);
  }
}

describe("races", () => {
  it("restart, cancel and the end of the work", raceTimeout, async ({ task }) => {
    const interleavings = await explore(task.name, {
      runs: 250,
      setup: fc.record({ fails: fc.boolean(), moves: fc.subarray(["cancel", "cancel", "restart", "restart", "crash", "crash"]) }),
      prepare: async (_, world) => void (await world.engine.start(world.newTask({ id: "t" }))),
      world: ({ fails }, world) => ({ agents: [agentA], work: async (ctx, life) => done(await world().body(ctx, "work", { gate: "returns", life, fails })) }),
      actors: ({ moves }, world) => ["cancel", "restart", "returns", ...moves].map((name) => [{ name, make: movesOf(world, name) }]),
      async check({ fails }, world) {
        const task = await world.engine.get("t");
        expectOrder(world, machineOf(fails), { status: task?.end?.status ?? "open" });
      },
    });

    expect(interleavings).toBeGreaterThanOrEqual(inShortRun(235));
  });
});
