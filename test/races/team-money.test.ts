import * as fc from "fast-check";
import { defineAgent, defineTeam, usd } from "longhaul";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createGate, type Gate } from "../../src/engine/engine-fixture.testsuite.ts";
import type { Model } from "../../src/model/model.ts";
import { noUsage } from "../../src/record/usage.ts";
import { openOperatorView } from "../../src/runtime/operator-view.ts";
import { openDiskTeam, temporaryDirectory, type DiskTeam } from "../fixture/disk-team.ts";
import { exploreStories, inShortRun, type Move, raceTimeout } from "./fixture/explore.ts";

/** What a call sets aside, and what its answer costs. */
const boundMicroUsd = 100_000;
const costMicroUsd = 40_000;
const usage = { ...noUsage, outputTokens: 40 };

const team = defineTeam({
  name: "t",
  agents: [defineAgent({ name: "writer", model: "anthropic/test", instructions: "Write.", limits: { outputTokensMax: 100, deadline: "1m" }, budget: { perTask: usd(1) } })],
});

/** A model that answers when it pleases, whether or not anybody still listens. */
function deafModel(calls: Gate[]): Model {
  return {
    id: "anthropic/test",
    provider: "anthropic",
    account: "anthropic",
    simulated: true,
    estimateMicroUsd: () => boundMicroUsd,
    costMicroUsd: () => costMicroUsd,
    async complete() {
      const gate = createGate();
      calls.push(gate);
      await gate.opened;
      return { message: { role: "assistant", parts: [{ type: "text", text: "done" }] }, finishReason: "stop", usage, costMicroUsd, responseModel: null, responseId: null };
    },
  };
}

let directory: ReturnType<typeof temporaryDirectory>;
let stories = 0;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.remove());

function movesOf(names: readonly string[], disk: DiskTeam, calls: readonly Gate[], canceled: boolean[]): readonly (readonly Move[])[] {
  const make = (name: string, taskId: Promise<string>): Move["make"] => {
    switch (name) {
      case "cancel":
        return async () => void disk.live.operations.cancel(await taskId, "not wanted").then((isCanceled) => canceled.push(isCanceled));
      case "answer":
        return () => calls.at(-1)?.open();
      default:
        return () => disk.clock.advance(Number(name.split(" ")[0]), async () => undefined);
    }
  };
  const taskId = disk.submit("writer", null);
  return names.map((name) => [{ name, make: make(name, taskId) }]);
}

/** Each call counts once: with its price when its answer came, else with its bound, since nobody knows. An answer that was used is paid at its price. */
function legalSpendings(calls: number, isUsed: boolean): readonly number[] {
  const lostMax = isUsed ? calls - 1 : calls;
  return Array.from({ length: lostMax + 1 }, (_, lost) => lost * boundMicroUsd + (calls - lost) * costMicroUsd);
}

describe("races of a team", () => {
  it("cancel, the deadline, and an answer that is paid for", raceTimeout, async ({ task }) => {
    const interleavings = await exploreStories(task.name, {
      runs: 25,
      setup: fc.subarray(["cancel", "cancel", "30000 ms", "40000 ms", "answer"]).map((names) => ["answer", ...names]),
      async play(names, make, trace) {
        const path = `${directory.path}/${++stories}`;
        const calls: Gate[] = [];
        const canceled: boolean[] = [];
        const disk = await openDiskTeam(team, { directory: path, model: deafModel(calls) });
        await make(movesOf(names, disk, calls, canceled));
        await disk.settle();
        for (const call of calls) call.open();
        await disk.advance(120_000);

        const [task] = await disk.live.tasks.list({});
        const view = openOperatorView(path);
        const spent = await view.store.money.spent({ taskId: task?.id ?? "" });
        await view.close();
        await disk.close();

        trace.push(String(task?.end?.status), String(spent.spentMicroUsd));
        expect(["done", "dead", "canceled"], `after ${trace.join(" ")}`).toContain(task?.end?.status);
        expect(canceled.filter(Boolean).length, "cancel tells the truth").toBe(task?.end?.status === "canceled" ? 1 : 0);
        expect(spent.reservedMicroUsd, "nothing stays set aside").toBe(0);
        expect(legalSpendings(calls.length, task?.end?.status === "done"), `after ${trace.join(" ")}`).toContain(spent.spentMicroUsd);
      },
    });

    expect(interleavings).toBeGreaterThanOrEqual(inShortRun(16));
  });
});
