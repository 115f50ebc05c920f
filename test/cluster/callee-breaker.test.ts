import { defineAgent, defineFlow, defineTeam } from "longhaul";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../../src/base/fixture/until.ts";
import { clusterPlace, openClusterTeam, uniqueTeamName } from "../fixture/cluster-team.ts";

test("on a cluster callers of an agent that dies whenever it is called wait outside, also at another worker, until it is called again", async () => {
  const world = { isDown: true, calls: 0 };
  const worker = defineAgent({
    name: "worker",
    run: async (ctx) => {
      await ctx.step("work", () => ++world.calls);
      if (world.isDown) throw new Error("its index is gone");
      return "done";
    },
  });
  const caller = defineFlow({ name: "caller", run: async (ctx) => (await ctx.call(worker, null)).outcome });
  const team = defineTeam({ name: uniqueTeamName(), agents: [worker], flows: [caller] });
  const place = await clusterPlace();
  const first = await openClusterTeam(team, place);
  onTestFinished(() => first.live.close().catch(() => undefined)); // It may be closed already.
  await first.live.start();
  const submit = async (): Promise<string> => (await first.live.operations.submit({ agent: "caller", input: null, source: "test" })).taskId;
  for (let index = 0; index < 10; index++) expect(await first.live.operations.result(await submit())).toMatchObject({ status: "dead" });

  const held = await submit();
  await until("the caller waits", async () => (await first.live.operations.task(held))?.waitingReason === "breaker");
  expect(world.calls).toBe(10);
  expect(await first.live.tasks.list({ agent: "worker" })).toHaveLength(10);

  // Another worker knows it from the database.
  await first.live.close();
  const { listen } = await clusterPlace();
  const second = await openClusterTeam(team, { ...place, listen });
  onTestFinished(() => second.live.close());
  await second.live.start();
  const later = (await second.live.operations.submit({ agent: "caller", input: null, source: "test" })).taskId;
  await until("another one waits elsewhere", async () => (await second.live.operations.task(later))?.waitingReason === "breaker");

  world.isDown = false;
  expect(await second.live.operations.decideBreaker("agent worker", "close", "cli")).toBe("open");
  for (const id of [held, later]) expect(await second.live.operations.result(id)).toMatchObject({ status: "done" });
  expect(world.calls).toBe(12);
});
