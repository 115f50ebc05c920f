import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agentA, done } from "../../src/engine/engine-fixture.testsuite.ts";
import { expectOrder, explore, inShortRun, type Move, raceTimeout } from "./fixture/explore.ts";
import type { Machine } from "./fixture/linearizable.ts";
import type { World } from "./fixture/world.ts";

type State = { readonly status: "none" | "open" | "done" | "canceled"; readonly isDoneSoon: boolean };

/** One task: it is created once, ends once, and everybody is told what became of it. */
const machine: Machine<State> = {
  begin: { status: "none", isDoneSoon: false },
  perform(state, name) {
    const { status } = state;
    switch (name) {
      case "submit":
        return { state: status === "none" ? { ...state, status: "open" } : state, told: { created: status === "none" } };
      case "cancel":
        if (status === "none") return { state, told: { refused: "TASK_UNKNOWN" } };
        return { state: status === "open" ? { ...state, status: "canceled" } : state, told: status === "open" };
      case "result":
        if (status === "none") return { state, told: { refused: "TASK_UNKNOWN" } };
        return status === "open" ? null : { state, told: status };
      default:
        return { state: { ...state, isDoneSoon: state.isDoneSoon || name === "returns" }, told: null };
    }
  },
  advance: (state) => (state.status === "open" && state.isDoneSoon ? [{ ...state, status: "done" }] : []),
};

function movesOf(world: World): Readonly<Record<string, () => void>> {
  return {
    submit: () => world.ask("submit", async (engine) => ({ created: (await engine.start(world.newTask({ id: "t" }))).created })),
    cancel: () => world.ask("cancel", (engine) => engine.cancel("t", "not wanted")),
    result: () => world.ask("result", async (engine) => (await engine.result("t")).status),
    crash: () => world.takeOver(),
    returns: () => world.open("returns"),
  };
}

describe("races", () => {
  it("submit, cancel, result and the end of the work", raceTimeout, async ({ task }) => {
    const interleavings = await explore(task.name, {
      runs: 250,
      setup: fc.subarray(["submit", "cancel", "cancel", "result", "result", "crash", "crash"]).map((names) => ["submit", "cancel", "returns", ...names]),
      world: (_, world) => ({ agents: [agentA], work: async (ctx, life) => done(await world().body(ctx, "work", { gate: "returns", life })) }),
      actors: (names, world) => names.map((name): readonly Move[] => [{ name, make: () => movesOf(world)[name]?.() }]),
      async check(_, world) {
        const task = await world.engine.get("t");
        expectOrder(world, machine, { status: (task?.status ?? "none") as State["status"] });
      },
    });

    expect(interleavings).toBeGreaterThanOrEqual(inShortRun(240));
  });
});
