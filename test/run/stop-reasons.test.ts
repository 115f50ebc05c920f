import { defineAgent, defineTeam, defineTool, usd } from "longhaul";
import { type Script, scriptedModel, testTeam } from "longhaul/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { LonghaulError } from "../../src/base/error.ts";
import type { CommandContext } from "../../src/cli/command-context.ts";
import { runPs } from "../../src/cli/command/ps.ts";
import { runRuns } from "../../src/cli/command/runs.ts";
import { runShow } from "../../src/cli/command/show.ts";
import { toTaskView } from "../../src/http/task-view.ts";
import { fixedPrice } from "../../src/model/model-price.ts";
import { stopReasonOf } from "../../src/record/stop-reason.ts";
import { readCommand } from "../fixture/command.ts";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

const look = defineTool({ name: "look", description: "Looks", inputSchema: z.object({}), effect: "read", execute: () => "nothing" });
const calling = (count: number) => ({ toolCalls: Array.from({ length: count }, () => ({ toolName: "look", input: {} })) });
const failing = (code: "MODEL_CONTEXT_OVERFLOW" | "MODEL_BILLING" | "MODEL_AUTH" | "MODEL_INVALID"): Script => () => new LonghaulError(code, "no.", { retry: "never" });

describe("a run of a model stops with", () => {
  test.each<readonly [string, Script, object]>([
    ["completed", "an answer", {}],
    ["turn-cap", (_, call) => ({ toolCalls: [{ toolName: `no_${call}`, input: {} }] }), { limits: { turnsMax: 3 } }],
    ["tool-call-cap", () => calling(3), { limits: { toolCallsMax: 2 } }],
    ["loop", () => calling(1), {}],
    ["empty", () => "", {}],
    ["truncated", () => ({ text: "half of", finishReason: "length" }), {}],
    ["refused", () => ({ text: "no", finishReason: "content-filter" }), {}],
    ["rejected", () => "an answer", { verify: ({ reject }: { readonly reject: (reason: string) => unknown }) => reject("no") }],
    ["invalid-output", () => ({ object: { n: "one" } }), { output: z.object({ n: z.number() }) }],
    ["context-overflow", failing("MODEL_CONTEXT_OVERFLOW"), {}],
    ["billing", failing("MODEL_BILLING"), {}],
    ["auth", failing("MODEL_AUTH"), {}],
    ["failed", failing("MODEL_INVALID"), {}],
    ["deadline", () => ({ hang: true }), { limits: { deadline: "2s" } }],
    ["budget", () => "an answer", { budget: { perTask: usd(0.000001) } }],
  ])("%s", async (stopReason, script, changes) => {
    const agent = defineAgent({ name: "worker", model: "anthropic/test", instructions: "Work.", tools: [look], ...changes });
    const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: scriptedModel(script, { price: fixedPrice({ input: 0, output: 1 }) }) });

    const taskId = await team.submit(agent, null);
    await team.advance("1m");

    const task = await team.task(taskId);
    expect(stopReasonOf(task)).toBe(stopReason);
    expect(toTaskView(task)).toMatchObject({ stopReason });
    const told = (await team.records({ eventTypes: ["task"], taskId, limit: 100 })).flatMap(({ data }) => data["stopReason"] ?? []);
    expect(told, "a task that waits for its budget has not ended").toEqual(stopReason === "budget" ? [] : [stopReason]);
    await team.close();
  });
});

describe("a run of code stops with", () => {
  const leaf = defineAgent({ name: "leaf", input: z.object({ n: z.number() }), run: async () => null });
  test.each([
    ["failed", "coder", async () => { throw new Error("no"); }],
    ["fan-out-cap", "coder", async (ctx) => { for (let n = 0; n < 60; n++) await ctx.send(leaf, { n }); }],
    ["foreign-await", "coder", async () => { await new Promise(() => undefined); }],
    ["invalid-input", "leaf", async (ctx) => { await ctx.send({ kind: "agent", name: "leaf" }, "none"); }],
  ] as const satisfies readonly (readonly [string, string, Parameters<typeof defineAgent>[0]["run"]])[])("%s", async (stopReason, agent, run) => {
    const coder = defineAgent({ name: "coder", run: run });
    const team = await testTeam(defineTeam({ name: "t", agents: [coder, leaf] }));

    await team.submit(coder, undefined);
    await team.advance("2m");

    expect((await team.tasks({ agent })).map(stopReasonOf)).toContain(stopReason);
    await team.close();
  });

  test("canceled", async () => {
    const sleeper = defineAgent({ name: "sleeper", run: async (ctx) => ctx.sleep("1h") });
    const team = await testTeam(defineTeam({ name: "t", agents: [sleeper] }));
    const taskId = await team.submit(sleeper, undefined);
    await team.settle();
    expect(stopReasonOf(await team.task(taskId))).toBeNull();

    await team.cancel(taskId);

    expect(stopReasonOf(await team.task(taskId))).toBe("canceled");
    await team.close();
  });
});

describe("on the terminal", () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());

  test("ps, runs and show say why a task stopped", async () => {
    const agent = defineAgent({ name: "worker", model: "anthropic/test", instructions: "Work.", limits: { turnsMax: 1 } });
    const flow = defineAgent({ name: "coder", run: async () => "done" });
    const team = await openDiskTeam(defineTeam({ name: "t", agents: [agent, flow] }), { directory: directory.path, model: scriptedModel(() => ({ toolCalls: [{ toolName: "none", input: {} }] })) });
    const taskId = await team.submit("worker", null);
    expect(await team.result(taskId)).toMatchObject({ reason: "turn-limit" });
    const read = (isJson: boolean, command: Parameters<typeof readCommand>[0]) => readCommand(command, { data: directory.path, clock: team.clock, isJson });

    for (const command of [(context: CommandContext) => runPs(context, { all: true, limit: 10 }), (context: CommandContext) => runRuns(context, { limit: 10 }), (context: CommandContext) => runShow(context, taskId, {})]) {
      expect(await read(false, command)).toMatch(/stopped[\s\S]*turn-cap|turn-cap[\s\S]*stopped/);
      expect(await read(true, command)).toContain('"stopReason":"turn-cap"');
    }
    await team.close();
  });
});
