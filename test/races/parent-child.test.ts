import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../../src/base/json.ts";
import { agentA, done } from "../../src/engine/engine-fixture.testsuite.ts";
import { expectOrder, explore, inShortRun, type Move, raceTimeout } from "./fixture/explore.ts";
import type { Effect, Machine } from "./fixture/linearizable.ts";
import type { World } from "./fixture/world.ts";

type Status = "none" | "open" | "done" | "dead" | "canceled";
type Parent = { readonly status: Status; readonly startedAtMs: number | null; readonly hasCalled: boolean; readonly output: string | null };
type State = {
  readonly nowMs: number;
  readonly parents: { readonly [id: string]: Parent };
  /** Who brought the task into being that holds the key: a parent, or "E", who is nobody's child. */
  readonly holder: string | null;
  readonly child: Status;
  readonly isReturning: boolean;
};

const ids = ["P", "Q"];
const fresh: Parent = { status: "none", startedAtMs: null, hasCalled: false, output: null };
/** How long a parent waits for its child. */
const patienceMs = 1_000;

/**
 * Two parents that call one child by one key, and somebody else who may submit that task too. Whoever was first has made it: when that is a parent, the child
 * ends with it. Everybody who waits for it gets its end. A parent that has waited long enough leaves it behind.
 */
const machine: Machine<State> = {
  begin: { nowMs: 0, parents: { P: fresh, Q: fresh }, holder: null, child: "none", isReturning: false },
  perform(state, name) {
    const [what, id = ""] = name.split(" ");
    switch (what) {
      case "submit":
        return submit(state, id);
      case "cancel":
        return id === "E" ? cancelChild(state) : cancelParent(state, id);
      default:
        return { state: { ...state, isReturning: state.isReturning || what === "returns", nowMs: state.nowMs + (Number(what) || 0) }, told: null };
    }
  },
  advance: (state) => [
    ...(state.child === "open" && state.isReturning ? [{ ...state, child: "done" as const }] : []),
    ...ids.filter((id) => state.parents[id]?.status === "open").flatMap((id) => goOn(state, id)),
  ],
};

function goOn(state: State, id: string): readonly State[] {
  const parent = state.parents[id] ?? fresh;
  if (parent.startedAtMs === null) return [withParent(state, id, { ...parent, startedAtMs: state.nowMs })];
  const leaves = state.nowMs >= parent.startedAtMs + patienceMs ? [endParent(state, id, "done", "left")] : [];
  if (!parent.hasCalled) {
    const called = withParent(state, id, { ...parent, hasCalled: true });
    return [state.holder === null ? { ...called, holder: id, child: "open" } : called];
  }
  return state.child === "open" ? leaves : [...leaves, endParent(state, id, "done", state.child)];
}

/** The child of a parent ends with it. */
function endParent(state: State, id: string, status: Status, output: string | null): State {
  const ended = withParent(state, id, { status, startedAtMs: 0, hasCalled: true, output });
  return state.holder === id && state.child === "open" ? { ...ended, child: "canceled" } : ended;
}

function withParent(state: State, id: string, parent: Parent): State {
  return { ...state, parents: { ...state.parents, [id]: parent } };
}

function submit(state: State, id: string): Effect<State> {
  if (id === "E") return { state: state.holder === null ? { ...state, holder: "E", child: "open" } : state, told: { created: state.holder === null } };
  return { state: withParent(state, id, { ...fresh, status: "open" }), told: { created: true } };
}

function cancelParent(state: State, id: string): Effect<State> {
  const { status } = state.parents[id] ?? fresh;
  if (status === "none") return { state, told: { refused: "TASK_UNKNOWN" } };
  return { state: status === "open" ? endParent(state, id, "canceled", null) : state, told: status === "open" };
}

function cancelChild(state: State): Effect<State> {
  if (state.holder !== "E") return { state, told: { refused: "TASK_UNKNOWN" } };
  return { state: state.child === "open" ? { ...state, child: "canceled" } : state, told: state.child === "open" };
}

function movesOf(world: World, name: string): Move["make"] {
  const [what = "", id = ""] = name.split(" ");
  switch (what) {
    case "submit":
      return () => world.ask(name, async (engine) => ({ created: (await engine.start(world.newTask(id === "E" ? { id, agent: "child", key: "shared" } : { id }))).created }));
    case "cancel":
      return () => world.ask(name, (engine) => engine.cancel(id, "not wanted"));
    case "crash":
      return () => world.takeOver();
    case "returns":
      return () => world.open(name);
    default:
      return () => world.pass(Number(what));
  }
}

describe("races", () => {
  it("parents, and the child that they share", raceTimeout, async ({ task }) => {
    const interleavings = await explore(task.name, {
      runs: 300,
      setup: fc.subarray(["submit Q", "submit E", "cancel P", "cancel Q", "cancel E", "600 ms", "600 ms", "crash", "crash"]).map((names) => ["submit P", "returns", ...names]),
      world: (_, world) => ({
        agents: [agentA, { ...agentA, name: "child" }],
        async work(ctx, life) {
          if (ctx.task.agent === "child") return done(await world().body(ctx, "work", { gate: "returns", life }));
          const child = ctx.child({ kind: "child", name: "call" }, world().newTask({ id: `child of ${ctx.task.id}`, agent: "child", key: "shared" }));
          const left = ctx.wait({ name: "patience", reason: "timer", timeoutMs: patienceMs }).then(() => "left");
          return done(await Promise.race([child.then((end): Json => end.status), left]));
        },
      }),
      actors: (names, world) => names.map((name) => [{ name, make: movesOf(world, name) }]),
      async check(_, world) {
        const tasks = await world.engine.list({});
        const parents = Object.fromEntries(ids.map((id) => {
          const end = tasks.find((task) => task.id === id)?.end;
          return [id, end === undefined || end === null ? fresh : { status: end.status, startedAtMs: 0, hasCalled: true, output: end.status === "done" ? String(end.output) : null }];
        }));
        const child = tasks.find(({ agent }) => agent === "child");
        expectOrder(world, machine, { parents, child: child?.status === undefined ? "none" : (child.end?.status ?? "open") });
      },
    });

    expect(interleavings).toBeGreaterThanOrEqual(inShortRun(280));
  });
});
