import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agentA, done } from "../../src/engine/engine-fixture.testsuite.ts";
import { expectOrder, explore, inShortRun, type Move, raceTimeout } from "./fixture/explore.ts";
import type { Machine } from "./fixture/linearizable.ts";
import type { World } from "./fixture/world.ts";

type Status = "none" | "open" | "done" | "dead" | "canceled";
type State = {
  readonly nowMs: number;
  readonly tasks: { readonly [id: string]: Status };
  /** Who has the one slot. */
  readonly slot: string | null;
  readonly returning: readonly string[];
};

const ids = ["A", "B"];
type Deadlines = Readonly<Record<string, number>>;

/** Two tasks, one slot: each ends by its deadline, whether it has the slot or waits for it, or was canceled, and then the slot is the other's. */
const machineOf = (deadlinesMs: Deadlines): Machine<State> => ({
  begin: { nowMs: 0, tasks: { A: "none", B: "none" }, slot: null, returning: [] },
  perform(state, name) {
    const [what, id = ""] = name.split(" ");
    const status = state.tasks[id] ?? "none";
    switch (what) {
      case "submit":
        return { state: status === "none" ? withStatus(state, id, "open") : state, told: { created: status === "none" } };
      case "cancel":
        if (status === "none") return { state, told: { refused: "TASK_UNKNOWN" } };
        return { state: status === "open" ? ended(state, id, "canceled") : state, told: status === "open" };
      case "result":
        if (status === "none") return { state, told: { refused: "TASK_UNKNOWN" } };
        return status === "open" ? null : { state, told: status };
      case "returns":
        return { state: { ...state, returning: [...state.returning, id] }, told: null };
      case "crash":
        return { state: { ...state, slot: null }, told: null };
      default:
        return { state: { ...state, nowMs: state.nowMs + Number(what) }, told: null };
    }
  },
  advance: (state) =>
    ids.flatMap((id) => {
      if (state.tasks[id] !== "open") return [];
      return [
        ...(state.slot === null ? [{ ...state, slot: id }] : []),
        ...(state.slot === id && state.returning.includes(id) ? [ended(state, id, "done")] : []),
        ...(state.nowMs >= (deadlinesMs[id] ?? 0) ? [ended(state, id, "dead")] : []),
      ];
    }),
});

function withStatus(state: State, id: string, status: Status): State {
  return { ...state, tasks: { ...state.tasks, [id]: status } };
}

function ended(state: State, id: string, status: Status): State {
  return { ...withStatus(state, id, status), slot: state.slot === id ? null : state.slot };
}

function movesOf(world: World, deadlines: Deadlines, name: string): Move["make"] {
  const [what = "", id = ""] = name.split(" ");
  const startMs = world.clock.now();
  switch (what) {
    case "submit":
      return () => world.ask(name, async (engine) => ({ created: (await engine.start(world.newTask({ id, deadlineAtMs: startMs + (deadlines[id] ?? 0) }))).created }));
    case "cancel":
      return () => world.ask(name, (engine) => engine.cancel(id, "not wanted"));
    case "result":
      return () => world.ask(name, async (engine) => (await engine.result(id)).status);
    case "crash":
      return () => world.takeOver();
    case "returns":
      return () => world.open(name);
    default:
      return () => world.pass(Number(what));
  }
}

describe("races", () => {
  it("the deadline and the end of the work", raceTimeout, async ({ task }) => {
    const interleavings = await explore(task.name, {
      runs: 400,
      setup: fc.record({
        deadlines: fc.record({ A: fc.constantFrom(1_000, 5_000), B: fc.constantFrom(1_000, 5_000) }),
        moves: fc.subarray(["result A", "cancel A", "cancel B", "crash"]).map((names) => ["submit A", "submit B", "returns A", "returns B", "1200 ms", ...names]),
      }),
      world: (_, world) => ({ agents: [{ ...agentA, concurrency: 1 }], work: async (ctx, life) => done(await world().body(ctx, "work", { gate: `returns ${ctx.task.id}`, life })) }),
      actors: ({ deadlines, moves }, world) => moves.map((name) => [{ name, make: movesOf(world, deadlines, name) }]),
      async check({ deadlines }, world) {
        const entries = await Promise.all(ids.map(async (id) => [id, statusOf((await world.engine.get(id))?.status)] as const));
        expectOrder(world, machineOf(deadlines), { tasks: Object.fromEntries(entries) });
      },
    });

    expect(interleavings).toBeGreaterThanOrEqual(inShortRun(385));
  });
});

function statusOf(status: string | undefined): Status {
  if (status === undefined) return "none";
  return status === "queued" || status === "running" ? "open" : (status as Status);
}
