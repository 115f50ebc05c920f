import { defineAgent, defineTeam } from "longhaul";
import { afterEach, expect, test } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { listApprovals, runApprove } from "../../src/cli/command/approve.ts";
import type { CommandContext } from "../../src/cli/command-context.ts";
import { createOutput } from "../../src/cli/output.ts";
import type { LiveTeam } from "../../src/runtime/live-team.ts";
import { clusterPlace, openClusterTeam, uniqueTeamName } from "../fixture/cluster-team.ts";

const opened: LiveTeam[] = [];
afterEach(async () => {
  for (const live of opened.splice(0)) await live.close();
});

const paid: number[] = [];
const clerk = defineAgent({
  name: "clerk",
  run: async (ctx, input) => {
    const { pay } = ctx.tools({ pay: { execute: async ({ amount }: { readonly amount: number }, _call: { readonly toolCallId: string }): Promise<string> => `paid ${paid.push(amount)}` } }, { needsApproval: { pay: true }, approvalWithin: input === "soon" ? "1s" : "1h" });
    return await pay.execute({ amount: 5 }, { toolCallId: "c1" }).catch((error: unknown) => (error instanceof Error ? error.message : ""));
  },
});

test("on a cluster a question outlives the worker, is answered by a command beside the workers, once, and runs out", { timeout: 60_000 }, async () => {
  const place = await clusterPlace();
  const definition = defineTeam({ name: uniqueTeamName(), agents: [clerk] });
  const open = async (): Promise<LiveTeam> => {
    const { live } = await openClusterTeam(definition, place);
    opened.push(live);
    await live.start();
    return live;
  };
  let said = "";
  const stream = { write: (part: string) => (said += part) };
  const context: CommandContext = { output: createOutput({ stdout: stream, stderr: stream, isJson: false, hasColors: false }), data: "nothing", store: place.store, clock: systemClock, random: systemRandom, environment: () => undefined };
  const first = await open();
  const { taskId } = await first.operations.submit({ agent: "clerk", input: null, source: "test" });
  const untilHuman = async (id: string): Promise<string> => {
    for (;;) {
      const task = await first.operations.task(id);
      if (task?.waitingReason === "human") return String(task.runId);
      await sleep(systemClock, 10);
    }
  };
  const runId = await untilHuman(taskId);
  await first.close();
  opened.length = 0;

  await listApprovals(context);
  expect(said).toContain("clerk wants to call pay");
  expect(said).toContain('arguments: {"amount":5}');
  expect(said).toContain(`longhaul approve ${runId} --allow --call c1`);
  expect(paid).toEqual([]);
  await runApprove(context, runId, "allow", { call: "c1", by: "ada" });
  await expect(runApprove(context, runId, "deny", {})).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining("answered before: allow, by ada over cli") as string });

  const second = await open();
  expect(await second.operations.result(taskId)).toMatchObject({ status: "done", output: "paid 1" });
  expect(paid).toEqual([5]);
  const { taskId: late } = await second.operations.submit({ agent: "clerk", input: "soon", source: "test" });
  expect(await second.operations.result(late)).toMatchObject({ output: expect.stringContaining("nobody gave it within 1.0 s") as string });
  expect(paid).toEqual([5]);
});
