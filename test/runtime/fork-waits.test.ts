import { defineAgent, defineFlow, defineTeam } from "longhaul";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

let directory: ReturnType<typeof temporaryDirectory>;
let team: DiskTeam;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(async () => {
  await team.close();
  directory.remove();
});

const child = defineAgent({ name: "child", input: z.object({ sleep: z.enum(["0s", "2s"]) }), run: async (ctx, { sleep }) => { if (sleep !== "0s") await ctx.sleep(sleep); return sleep; } });
const race = defineFlow({
  name: "race",
  run: async (ctx) => {
    await Promise.race([ctx.call(child, { sleep: "2s" }), ctx.call(child, { sleep: "0s" })]);
    const from = ctx.now();
    await ctx.waitFor("go", { timeout: "5s" });
    return { waitedMs: ctx.now() - from };
  },
});

test("a fork behind a race, whose loser ended later, waits as long as it says", async () => {
  team = await openDiskTeam(defineTeam({ name: "t", agents: [child], flows: [race] }), { directory: directory.path });
  const first = await team.submit("race", null);
  expect(await team.result(first)).toMatchObject({ output: { waitedMs: 5_000 } });
  await team.advance(60_000);

  const forkedAtMs = team.clock.now();
  const { task } = await team.live.operations.fork(first, 3);
  await team.result(task.id);

  expect(team.clock.now() - forkedAtMs).toBe(5_000);
});

test("runs that the code no longer fits are parked one after another without holding their agent's slot for seconds", async () => {
  const before = defineAgent({ name: "patient", run: async (ctx) => { await ctx.step("old", () => 1); await ctx.waitFor("go"); return "old"; } });
  const after = defineAgent({ name: "patient", run: async (ctx) => { await ctx.step("new", () => 1); return "new"; } });
  const earlier = await openDiskTeam(defineTeam({ name: "t", agents: [before] }), { directory: directory.path });
  for (let count = 0; count < 6; count++) await earlier.submit("patient", count);
  await earlier.advance(1_000);
  await earlier.close();
  team = await openDiskTeam(defineTeam({ name: "t", agents: [after] }), { directory: directory.path, startAtMs: earlier.clock.now() + 60_000 });
  for (const { runId } of await team.live.tasks.list({})) await team.live.operations.signal(runId ?? "", "go", null);

  const fresh = await team.submit("patient", "fresh");
  const submittedAtMs = team.clock.now();

  expect(await team.result(fresh)).toMatchObject({ output: "new" });
  expect(team.clock.now() - submittedAtMs).toBeLessThan(2_000);
  expect((await team.live.tasks.list({ statuses: ["waiting"] })).map(({ waitingReason }) => waitingReason)).toEqual(Array.from({ length: 6 }, () => "code-mismatch"));
});
