import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agentA, done } from "../../src/engine/engine-fixture.testsuite.ts";
import { explore, inShortRun, type Move, raceTimeout } from "./fixture/explore.ts";

describe("races", () => {
  it("a drain, and an engine that is still recovering", raceTimeout, async ({ task }) => {
    const interleavings = await explore(task.name, {
      runs: 60,
      setup: fc.integer({ min: 0, max: 2 }),
      async prepare(submits, world) {
        await world.clock.advance(0);
        for (let count = 1; count <= submits; count++) await world.engine.start(world.newTask({ id: `t${count}` }));
        await world.clock.advance(0);
        // The next owner begins to recover what this one left executing; the drain comes while it does.
        world.isDrained = true;
        world.takeOver();
      },
      world: (_, world) => ({ agents: [agentA], work: async (ctx, life) => done(await world().body(ctx, "work", { gate: `life ${life}`, life })) }),
      actors: (_, world): readonly (readonly Move[])[] => [[{ name: "drain", make: () => world.ask("drain", async (engine) => (await engine.drain(0)).interrupted) }]],
      async check(submits, world) {
        const tasks = await world.engine.list({});
        expect(tasks.map(({ status }) => status)).toEqual(Array.from({ length: submits }, () => "queued"));
      },
    });

    expect(interleavings).toBeGreaterThanOrEqual(inShortRun(16));
  });
});
