import * as fc from "fast-check";
import { defineAgent, defineTeam } from "longhaul";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LonghaulError } from "../../src/base/error.ts";
import { createGate, type Gate } from "../../src/engine/engine-fixture.testsuite.ts";
import { openDiskTeam, temporaryDirectory, type DiskTeam } from "../fixture/disk-team.ts";
import { exploreStories, inShortRun, type Move, raceTimeout } from "./fixture/explore.ts";

/** What a client was told of its submit: the task, or the code of the refusal. */
type Told = { readonly taskId: string } | { readonly refused: string };

let directory: ReturnType<typeof temporaryDirectory>;
let stories = 0;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.remove());

function teamOf(gate: () => Gate, concurrency: number) {
  const worker = defineAgent({
    name: "worker",
    limits: { concurrency },
    async run(ctx) {
      await ctx.step("one", async () => await gate().opened);
      await ctx.step("two", async () => "done");
      return "done";
    },
  });
  return defineTeam({ name: "t", agents: [worker] });
}

function submit(team: DiskTeam, told: Told[], trace: string[]): Move {
  const tell = (what: Told): void => {
    told.push(what);
    trace.push("refused" in what ? what.refused : "created");
  };
  const refuse = (error: unknown): void => tell({ refused: error instanceof LonghaulError ? error.code : String(error) });
  return { name: "submit", make: () => void team.submit("worker", null).then((taskId) => tell({ taskId }), refuse) };
}

describe("races of a team", () => {
  it("submits to a team that is drained and started again", raceTimeout, async ({ task }) => {
    const interleavings = await exploreStories(task.name, {
      runs: 25,
      setup: fc.record({ submits: fc.integer({ min: 1, max: 4 }), concurrency: fc.integer({ min: 1, max: 2 }), drainMs: fc.constantFrom(0, 1_000) }),
      async play({ submits, concurrency, drainMs }, make, trace) {
        const path = `${directory.path}/${++stories}`;
        const gate = createGate();
        const told: Told[] = [];
        const before = await openDiskTeam(teamOf(() => gate, concurrency), { directory: path });
        let report: Promise<unknown> = Promise.resolve();
        const drain: Move = { name: "drain", make: () => void (report = before.live.drain(drainMs)) };
        const pass: Move = { name: "2 s", make: () => before.clock.advance(2_000, async () => undefined) };
        const open: Move = { name: "open", make: () => gate.open() };
        await make([[drain, pass], [open], ...Array.from({ length: submits }, () => [submit(before, told, trace)])]);
        await before.settle();
        await report;
        await before.close();

        const after = await openDiskTeam(teamOf(() => gate, concurrency), { directory: path, startAtMs: before.clock.now() + 1 });
        await after.settle();
        const tasks = await after.live.tasks.list({});
        await after.close();

        const accepted = told.flatMap((answer) => ("taskId" in answer ? [answer.taskId] : [])).toSorted();
        expect(told, "every client is told").toHaveLength(submits);
        expect(told.filter((answer) => "refused" in answer && answer.refused !== "ENGINE_CLOSED")).toEqual([]);
        expect(tasks.map(({ id, status }) => `${id} ${status}`).toSorted(), `after ${trace.join(" ")}`).toEqual(accepted.map((id) => `${id} done`));
        expect(tasks.filter(({ recoveries }) => recoveries > 0), "a drain is no crash").toEqual([]);
      },
    });

    expect(interleavings).toBeGreaterThanOrEqual(inShortRun(20));
  });
});
