import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../../src/base/json.ts";
import { agentA, done } from "../../src/engine/engine-fixture.testsuite.ts";
import { expectOrder, explore, inShortRun, type Move, raceTimeout } from "./fixture/explore.ts";
import { waitMachine, type WaitState } from "./fixture/wait-machine.ts";
import { type Work, type World } from "./fixture/world.ts";

interface Setup {
  readonly waits: number;
  readonly moves: readonly string[];
}

/** One step, then so many waits for "go"; the output is what each came to. */
function waiting(world: () => World, waits: number, timeoutMs: number | null): Work {
  return async (ctx, life) => {
    await world().body(ctx, "before", { gate: "begins", life });
    const ends: Json[] = [];
    for (let wait = 0; wait < waits; wait++) {
      const end = await ctx.wait({ name: "go", reason: "signal", signal: "go", ...(timeoutMs === null ? {} : { timeoutMs }) });
      ends.push(end.by === "signal" ? end.payload : "timer");
    }
    return done(ends);
  };
}

async function begin(_: unknown, world: World): Promise<void> {
  await world.engine.start(world.newTask({ id: "t" }));
  while ((await world.engine.get("t"))?.runId === null) await world.clock.advance(0);
}

function move(world: World, name: string): Move["make"] {
  const [what = "", id = "", payload = ""] = name.split(" ");
  if (what === "signal") {
    return () => world.ask(name, async (engine) => await engine.signal((await engine.get("t"))?.runId ?? "", "go", payload, id));
  }
  if (what === "cancel") return () => world.ask(name, (engine) => engine.cancel("t", "not wanted"));
  if (what === "crash") return () => world.takeOver();
  return what === "begins" ? () => world.open(name) : () => world.pass(Number(what));
}

async function stateLeft(world: World): Promise<Partial<WaitState>> {
  const task = await world.engine.get("t");
  const status = task?.end?.status;
  if (task?.end?.status === "done") return { status: "done", ends: task.end.output as string[] };
  return { status: status === "canceled" ? status : "open" };
}

describe("races", () => {
  it("signals and time that is up", raceTimeout, async ({ task }) => {
    const interleavings = await explore<Setup>(task.name, {
      runs: 250,
      setup: fc.record({
        waits: fc.integer({ min: 1, max: 2 }),
        moves: fc.subarray(["signal x 1", "signal y 2", "signal x 1", "crash", "cancel", "600 ms", "600 ms"]).map((names) => ["begins", "signal z 3", "600 ms", "600 ms", ...names]),
      }),
      prepare: begin,
      world: ({ waits }, world) => ({ agents: [agentA], work: waiting(world, waits, 1_000) }),
      actors: ({ moves }, world) => moves.map((name) => [{ name, make: move(world, name) }]),
      check: async ({ waits }, world) => expectOrder(world, waitMachine({ waits, timeoutMs: 1_000 }), await stateLeft(world)),
    });

    expect(interleavings).toBeGreaterThanOrEqual(inShortRun(240));
  });

  it("signals, some of them sent twice with one id", raceTimeout, async ({ task }) => {
    const interleavings = await explore<Setup>(task.name, {
      runs: 250,
      setup: fc.record({
        waits: fc.integer({ min: 1, max: 3 }),
        moves: fc.subarray(["signal x 1", "signal y 2", "signal z 3", "crash", "crash", "cancel"]).map((names) => ["begins", "signal x 1", "signal y 2", ...names]),
      }),
      prepare: begin,
      world: ({ waits }, world) => ({ agents: [agentA], work: waiting(world, waits, null) }),
      actors: ({ moves }, world) => moves.map((name) => [{ name, make: move(world, name) }]),
      check: async ({ waits }, world) => expectOrder(world, waitMachine({ waits, timeoutMs: null }), await stateLeft(world)),
    });

    expect(interleavings).toBeGreaterThanOrEqual(inShortRun(240));
  });
});
