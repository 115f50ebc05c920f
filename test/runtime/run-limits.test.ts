import { defineAgent, defineTeam } from "longhaul";
import { expect, test } from "vitest";
import { defaultEngineLimits } from "../../src/engine/limits.ts";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

test("a run that comes near the bytes of its journal says so once, also over a crash, and is dead when it goes over them", async () => {
  const directory = temporaryDirectory();
  const { journalBytesPerRunMax, valueBytesMax } = defaultEngineLimits;
  const size = valueBytesMax - 100;
  const stepsMax = Math.floor(journalBytesPerRunMax / size);
  const main = defineAgent({
    name: "main",
    run: async (ctx) => {
      for (let step = 1; step <= stepsMax + 1; step++) {
        // One text for all of them: it is in the file once, and counts as often as it is read.
        await ctx.step("read", () => "x".repeat(size));
        if (step === stepsMax - 2) await ctx.waitFor("go");
      }
    },
  });
  const team = defineTeam({ name: "t", agents: [main] });
  const first = await openDiskTeam(team, { directory: `${directory.path}/team` });
  const taskId = await first.submit("main", null);
  await first.settle();
  const announced = await first.records({ eventTypes: ["run"] });
  const second = await first.afterCrash();
  const { runId } = await second.task(taskId);
  await second.live.operations.signal(String(runId), "go", null);

  const end = await second.result(taskId);

  expect(announced).toMatchObject([{ result: "limit-near", task_id: taskId, run_id: runId, data: { limit: "journal-bytes", max: journalBytesPerRunMax } }]);
  expect(announced[0]?.reason).toMatch(/^41\d{6} of at most 50000000 bytes of its journal are used\. Over it the task is dead\(journal-limit\): split the work into child tasks/);
  expect(await second.records({ eventTypes: ["run"] })).toEqual(announced);
  expect(end).toMatchObject({ status: "dead", reason: "journal-limit", failure: { code: "ENGINE_JOURNAL_LIMIT" } });
  await first.close();
  await second.close();
  directory.remove();
});
