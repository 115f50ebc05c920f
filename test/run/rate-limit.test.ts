import { defineAgent, defineTeam } from "longhaul";
import { scriptedModel, testTeam } from "longhaul/testing";
import { expect, test } from "vitest";
import { LonghaulError } from "../../src/base/error.ts";

/* Threads that this answers: openclaw/openclaw#35287 (many sessions retry in phase), litellm#27823 (a stated wait that nobody honours). */

test("two hundred runs that share a provider of sixty calls a minute ask it little more often than once each", async () => {
  const runs = 200;
  let windowAtMs = 0;
  let inWindow = 0;
  let calls = 0;
  const agent = defineAgent({ name: "writer", model: "anthropic/test", instructions: "Write.", limits: { concurrency: runs } });
  const model = scriptedModel(() => {
    calls++;
    const nowMs = team.now();
    const atMs = nowMs - (nowMs % 60_000);
    inWindow = atMs === windowAtMs ? inWindow + 1 : 1;
    windowAtMs = atMs;
    if (inWindow > 60) throw new LonghaulError("MODEL_THROTTLED", "429", { retry: { afterMs: atMs + 60_000 - nowMs } });
    return "done";
  });
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: model });
  // One after the other, as work comes in.
  const taskIds: string[] = [];
  for (let run = 0; run < runs; run++) {
    taskIds.push(await team.submit(agent, undefined, { key: `${run}` }));
    await team.advance(50);
  }

  const ends = await Promise.all(taskIds.map((id) => team.result(id, "20m")));

  expect(ends.every(({ status }) => status === "done")).toBe(true);
  expect(calls / runs).toBeLessThanOrEqual(1.05);
  expect((await team.records({ eventTypes: ["park"], limit: 1 }))[0]).toMatchObject({ result: "refused", data: { dependency: "scripted/model" } });
  await team.close();
});
