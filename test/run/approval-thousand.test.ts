import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { defineAgent, defineTeam } from "longhaul";
import { expect, test } from "vitest";
import { seededRandom } from "../../src/base/random.ts";
import { macrotask } from "../../src/base/turn.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import type { OpenQuestion } from "../../src/runtime/open-questions.ts";
import { openLiveTeam } from "../../src/runtime/live-team.ts";

const runs = 1_000;
const bytesPerRun = 262_144;

/** What arrays take that something still refers to. */
async function arrayBytes(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let round = 0; round < 5; round++) {
    collect();
    await macrotask();
  }
  return process.memoryUsage().arrayBuffers;
}

test("a thousand calls that wait for a person hold no slot, no timer of their own and nothing of their runs in memory", async () => {
  const clock = new VirtualClock();
  const paid: number[] = [];
  const clerk = defineAgent({
    name: "clerk", limits: { concurrency: 5 },
    run: async (ctx, input) => {
      const held = new Uint8Array(bytesPerRun).fill(1);
      const { pay } = ctx.tools({ pay: { execute: async ({ amount }: { readonly amount: number }, _call: { readonly toolCallId: string }): Promise<number> => paid.push(amount) } }, { needsApproval: { pay: true } });
      await pay.execute({ amount: Number(input) }, { toolCallId: "c1" });
      return held.length;
    },
  });
  const live = await openLiveTeam({ team: defineTeam({ name: "t", agents: [clerk] }), dataDirectory: null, clock, random: seededRandom(1), environment: () => undefined, print: () => undefined });
  await live.start();
  const { operations } = live;
  const until = async (isSo: () => Promise<boolean>): Promise<void> => {
    for (let turn = 0; turn < 100_000 && !(await isSo()); turn++) await macrotask();
  };
  await macrotask();
  const before = { timers: clock.pendingAtMs.length, bytes: await arrayBytes() };

  await Promise.all(Array.from({ length: runs }, (_, index) => operations.submit({ agent: "clerk", input: index, source: "test" })));
  await until(async () => (await live.tasks.list({ statuses: ["waiting"], limit: runs })).length === runs && live.isQuiet());

  const waiting = await live.tasks.list({ limit: runs });
  expect(new Set(waiting.map(({ waitingReason }) => waitingReason))).toEqual(new Set(["human"]));
  expect(paid).toEqual([]);
  // A virtual clock keeps a cancelled timer, and what it refers to, until its time.
  await clock.advance(3_600_000);
  // One is the engine's, for whichever wait is due first, and one reminds people of all of them.
  expect(clock.pendingAtMs.length - before.timers).toBeLessThanOrEqual(2);
  expect((await arrayBytes()) - before.bytes).toBeLessThan((runs * bytesPerRun) / 10);
  const questions = await operations.questions();
  expect(questions).toHaveLength(runs);

  const { runId, task } = questions[runs / 2] as OpenQuestion;
  await operations.approve(runId, "allow");
  await until(async () => (await operations.task(task.id))?.status === "done");
  expect(paid).toEqual([task.input]);
  await live.close();
});
