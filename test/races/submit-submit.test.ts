import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agentA, done } from "../../src/engine/engine-fixture.testsuite.ts";
import { expectOrder, explore, inShortRun, type Move, raceTimeout } from "./fixture/explore.ts";
import type { Machine } from "./fixture/linearizable.ts";
import type { World } from "./fixture/world.ts";

type State = { readonly holder: string | null; readonly status: "none" | "open" | "done" | "canceled"; readonly isDoneSoon: boolean };

/** One key belongs to one task of one agent, for good. Tasks are named by agent and number: "a1". */
const machine: Machine<State> = {
  begin: { holder: null, status: "none", isDoneSoon: false },
  perform(state, name) {
    const [what, id = ""] = name.split(" ");
    const { holder, status } = state;
    if (what === "submit") {
      if (holder === null) return { state: { ...state, holder: id, status: "open" }, told: { taskId: id, created: true } };
      return { state, told: holder[0] === id[0] ? { taskId: holder, created: false } : { refused: "TASK_KEY_CONFLICT" } };
    }
    if (what === "cancel") {
      if (id !== holder) return { state, told: { refused: "TASK_UNKNOWN" } };
      return { state: status === "open" ? { ...state, status: "canceled" } : state, told: status === "open" };
    }
    return { state: { ...state, isDoneSoon: state.isDoneSoon || what === "returns" }, told: null };
  },
  advance: (state) => (state.status === "open" && state.isDoneSoon ? [{ ...state, status: "done" }] : []),
};

function movesOf(world: World, name: string): Move["make"] {
  const [what = "", id = ""] = name.split(" ");
  switch (what) {
    case "submit":
      return () => world.ask(name, async (engine) => ({ ...(await engine.start(world.newTask({ id, agent: id.slice(0, 1), key: "the key" }))) }));
    case "cancel":
      return () => world.ask(name, (engine) => engine.cancel(id, "not wanted"));
    case "crash":
      return () => world.takeOver();
    default:
      return () => world.open(name);
  }
}

describe("races", () => {
  it("submits with one key", raceTimeout, async ({ task }) => {
    const interleavings = await explore(task.name, {
      runs: 250,
      setup: fc.subarray(["submit a1", "submit a3", "submit b1", "cancel a1", "crash", "crash", "submit a2"]),
      world: (_, world) => ({ agents: [agentA, { ...agentA, name: "b" }], work: async (ctx, life) => done(await world().body(ctx, "work", { gate: "returns", life })) }),
      actors: (names, world) => ["submit a1", "submit a2", "returns", ...names].map((name) => [{ name, make: movesOf(world, name) }]),
      async check(_, world) {
        const [task, ...others] = await world.engine.list({});
        expectOrder(world, machine, others.length > 0 ? { holder: "more than one task" } : { holder: task?.id ?? null, status: (task?.status ?? "none") as State["status"] });
      },
    });

    expect(interleavings).toBeGreaterThanOrEqual(inShortRun(240));
  });
});
