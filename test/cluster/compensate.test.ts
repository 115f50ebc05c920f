import { defineAgent, defineTeam, type RunContext } from "longhaul";
import { expect, test } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { isEnded, type Task } from "../../src/record/task.ts";
import type { LiveTeam } from "../../src/runtime/live-team.ts";
import { clusterPlace, openClusterTeam, uniqueTeamName } from "../fixture/cluster-team.ts";

async function untilTask(live: LiveTeam, taskId: string, holds: (task: Task) => boolean): Promise<Task> {
  for (let turn = 0; turn < 1_500; turn++) {
    const task = await live.operations.task(taskId);
    if (task !== null && holds(task)) return task;
    await sleep(systemClock, 20);
  }
  throw new Error(`task ${taskId} does not come to this`);
}

test("what a run registered is undone on a cluster when its task is canceled right after a step, with what the step came to", async () => {
  const log: string[] = [];
  let booked = (): void => undefined;
  const isBooked = new Promise<void>((resolve) => (booked = resolve));
  const booker = defineAgent({
    name: "booker",
    run: async (ctx: RunContext) => {
      let room = "none";
      await ctx.step("look", () => "rooms");
      await ctx.compensate("give the room back", () => void log.push(`give back ${room}`));
      room = await ctx.step("book", () => {
        log.push("book");
        return "room-7";
      });
      await ctx.compensate("fail", () => Promise.reject(new Error("the bank is closed")), { attempts: 1 });
      await ctx.step("pay", ({ signal }) => {
        booked();
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true }));
      });
    },
  });
  const { live } = await openClusterTeam(defineTeam({ name: uniqueTeamName(), agents: [booker] }), await clusterPlace());
  await live.start();
  const { taskId } = await live.operations.submit({ agent: "booker", input: null, source: "test" });
  // At once: what the steps before came to need not be in PostgreSQL by itself yet.
  await isBooked;
  await live.operations.cancel(taskId, "changed my mind");

  const { runId } = await untilTask(live, taskId, ({ status }) => status === "canceled");
  const compensation = await untilTask(live, `c_${String(runId)}`, ({ status }) => isEnded(status));

  expect(log).toEqual(["book", "give back room-7"]);
  expect(compensation.end).toMatchObject({ status: "dead", reason: "compensation-failed", evidence: { compensated: ["give the room back"], failed: [{ name: "fail", reason: "the bank is closed" }] } });
  await live.drain(0);
  await live.close();
});
