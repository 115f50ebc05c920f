import { defineAgent, defineTeam } from "longhaul";
import { scriptedModel } from "longhaul/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LonghaulError } from "../../src/base/error.ts";
import { describeHealth } from "../../src/record/health.ts";
import { openDiskTeam, temporaryDirectory, type DiskTeam } from "../fixture/disk-team.ts";

let directory: ReturnType<typeof temporaryDirectory>;
let team: DiskTeam;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(async () => {
  await team.close();
  directory.remove();
});

test("a queue of thousands does not hide what runs: a busy agent is working, not stalled", async () => {
  const busy = defineAgent({ name: "busy", run: async (ctx) => ctx.step("long", () => new Promise(() => undefined), { timeout: "30m" }) });
  team = await openDiskTeam(defineTeam({ name: "t", agents: [busy] }), { directory: directory.path });
  await team.submit("busy", 0);
  await team.advance(1000);
  await Promise.all(Array.from({ length: 1_500 }, (_, index) => team.live.operations.submit({ agent: "busy", input: index, source: "test" })));
  await team.advance(120_000);

  expect(await team.live.health()).toMatchObject([{ health: { state: "working" }, bad: false }]);
});

const hour = 3_600_000;
const states = async (): Promise<readonly string[]> => (await team.live.health()).map(({ health }) => describeHealth(health));

// SCENARIOS, the nearest open peer #6390.
test("a provider that fails for days is named within the interval, and no vain try makes it look well", async () => {
  const model = scriptedModel(() => {
    throw new LonghaulError("MODEL_TRANSIENT", "503", { retry: "backoff" });
  });
  const agent = defineAgent({ name: "writer", model: "anthropic/test", instructions: "Write.", expect: { progressWithin: "12h" } });
  team = await openDiskTeam(defineTeam({ name: "t", agents: [agent] }), { directory: directory.path, model });
  await team.submit("writer", null);
  await team.advance(11 * hour);
  expect(await states()).toEqual(["waiting(retry)"]);
  await team.advance(12 * hour);

  const told = await team.records({ eventTypes: ["health"], sinceMs: team.clock.now() - 10 * hour });
  expect(new Set(told.map(({ result }) => result))).toEqual(new Set(["stuck-waiting(retry)", "stalled"]));
});

test("a task that goes on after a long wait for people is working", async () => {
  const agent = defineAgent({
    name: "writer",
    expect: { progressWithin: "2h" },
    run: async (ctx) => {
      await ctx.waitFor("go");
      return ctx.step("long", () => new Promise(() => undefined));
    },
  });
  team = await openDiskTeam(defineTeam({ name: "t", agents: [agent] }), { directory: directory.path });
  const taskId = await team.submit("writer", null);
  await team.advance(3 * hour);
  expect(await states()).toEqual(["stuck-waiting(signal)"]);

  await team.live.operations.signal((await team.live.operations.task(taskId))?.runId ?? "", "go", null);
  await team.advance(2000);

  expect(await states()).toEqual(["working"]);
});
