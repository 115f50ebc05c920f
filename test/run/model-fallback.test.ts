import { defineAgent, defineTeam, endpoint, fallback, usd } from "longhaul";
import { type ScriptedAnswer, scriptedModel, testTeam } from "longhaul/testing";
import { generateText } from "ai";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { LonghaulError } from "../../src/base/error.ts";
import { isJsonObject } from "../../src/base/json.ts";
import { createProviderSimulator } from "../../src/lab/provider/provider-simulator.ts";
import type { Fault } from "../../src/lab/provider/fault.ts";
import { replyText } from "../../src/lab/provider/simulated-reply.ts";
import { fixedPrice } from "../../src/model/model-price.ts";
import { noUsage } from "../../src/record/usage.ts";
import { runHealth } from "../../src/cli/command/health.ts";
import { runPs } from "../../src/cli/command/ps.ts";
import { runShow } from "../../src/cli/command/show.ts";
import { openOperatorView } from "../../src/runtime/operator-view.ts";
import { readCommand } from "../fixture/command.ts";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

/*
 * Threads that this answers: openclaw/openclaw#39818, #17767, #22805, #67197 and #81664 (another model answers and is billed for days, and nobody is told),
 * #87608 (the first model is not asked again after it has recovered).
 */

const first = "anthropic/first";
const second = "openai/second";
const writer = defineAgent({ name: "writer", model: fallback([first, second]), instructions: "Write.", limits: { outputTokensMax: 20 } });

/** What a provider answers, which a test may change; counts its calls. */
function provider(id: string, answer: ScriptedAnswer) {
  const state = { answer, calls: 0 };
  const model = scriptedModel(() => {
    state.calls++;
    return state.answer;
  }, { id, price: fixedPrice({ input: 0, output: id === first ? 1000 : 10 }) });
  return { state, model };
}

async function open(answers: { readonly first: ScriptedAnswer; readonly second?: ScriptedAnswer }, agent = writer) {
  const [a, b] = [provider(first, answers.first), provider(second, answers.second ?? "from the second")];
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: { [first]: a.model, [second]: b.model } });
  return { team, first: a.state, second: b.state };
}

function failing(code: "MODEL_TRANSIENT" | "MODEL_THROTTLED" | "MODEL_OVERLOADED" | "MODEL_AUTH" | "MODEL_BILLING" | "MODEL_TIMEOUT" | "MODEL_UNKNOWN" | "MODEL_INVALID" | "MODEL_CONTENT_FILTER" | "MODEL_CONTEXT_OVERFLOW"): LonghaulError {
  const final = ["MODEL_AUTH", "MODEL_BILLING", "MODEL_INVALID", "MODEL_CONTENT_FILTER", "MODEL_CONTEXT_OVERFLOW"].includes(code);
  return new LonghaulError(code, `no: ${code}.`, { retry: final ? "never" : code === "MODEL_THROTTLED" ? { afterMs: 3_600_000 } : "backoff" });
}

describe("a chain of models", () => {
  test.each(["MODEL_TRANSIENT", "MODEL_THROTTLED", "MODEL_OVERLOADED", "MODEL_AUTH", "MODEL_BILLING", "MODEL_TIMEOUT", "MODEL_UNKNOWN"] as const)("goes to the next when one ends in %s, and says so", async (code) => {
    const { team } = await open({ first: failing(code) });

    const taskId = await team.submit(writer, null);
    const end = await team.result(taskId);

    expect(end).toMatchObject({ status: "done", outcome: "degraded", output: "from the second", reason: `${second} answered in the place of ${first}: no: ${code}.` });
    expect(await team.records({ eventTypes: ["decision"], taskId })).toMatchObject([{ result: "fallback", data: { from: first, to: second, why: `no: ${code}.` } }]);
    expect(await team.records({ eventTypes: ["model_call"], taskId })).toEqual(expect.arrayContaining([expect.objectContaining({ result: "success", data: expect.objectContaining({ model: second }) }), expect.objectContaining({ result: "error", data: expect.objectContaining({ model: first, code }) })]));
    expect(await team.records({ eventTypes: ["task"], taskId, result: "done(degraded)" })).toMatchObject([{ reason: expect.stringContaining(second), data: { stopReason: "completed" } }]);
    await team.advance("1m");
    expect(await team.health()).toMatchObject([{ agent: "writer", health: { state: "idle" }, bad: false, degraded: end.status === "done" ? end.reason : "", evidence: expect.stringContaining(second) }]);
    expect(team.notifications().join("\n")).toContain("writer is degraded");
    await team.close();
  });

  test.each(["MODEL_INVALID", "MODEL_CONTENT_FILTER", "MODEL_CONTEXT_OVERFLOW"] as const)("does not go to the next when one ends in %s", async (code) => {
    const { team, second: other } = await open({ first: failing(code) });

    expect(await team.result(await team.submit(writer, null))).toMatchObject({ status: "dead", failure: { code } });
    expect(other.calls).toBe(0);
    await team.close();
  });

  test("that is not needed changes nothing", async () => {
    const { team, second: other } = await open({ first: "from the first" });

    expect(await team.result(await team.submit(writer, null))).toMatchObject({ outcome: "unverified", output: "from the first", reason: null });
    expect(other.calls).toBe(0);
    await team.close();
  });

  test("ends a task degraded although verify accepts, and keeps its evidence", async () => {
    const agent = defineAgent({ name: "writer", model: fallback([first, second]), instructions: "Write.", limits: { outputTokensMax: 20 }, verify: ({ accept }) => accept({ checked: true }) });
    const { team } = await open({ first: failing("MODEL_AUTH") }, agent);

    expect(await team.result(await team.submit(agent, null))).toMatchObject({ status: "done", outcome: "degraded", evidence: { checked: true } });
    await team.close();
  });

  test("waits for the one that is back first when none answers, and dies when there is nothing to wait for", async () => {
    const throttled = await open({ first: failing("MODEL_THROTTLED"), second: failing("MODEL_TRANSIENT") });
    const taskId = await throttled.team.submit(writer, null);
    await throttled.team.advance("10s");
    expect(await throttled.team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "retry" });
    throttled.second.answer = "back";
    expect(await throttled.team.result(taskId, "2m")).toMatchObject({ outcome: "degraded", output: "back" });
    await throttled.team.close();

    const locked = await open({ first: failing("MODEL_BILLING"), second: failing("MODEL_AUTH") });
    expect(await locked.team.result(await locked.team.submit(writer, null))).toMatchObject({ status: "dead", reason: "auth", failure: { message: "no: MODEL_AUTH. Before it: no: MODEL_BILLING." } });
    await locked.team.close();
  });

  test("pays each model its own price, and nothing for one that refused the call", async () => {
    const agent = defineAgent({ name: "writer", model: fallback([first, second]), instructions: "Write.", limits: { outputTokensMax: 100 }, budget: { perTask: usd(0.5) } });
    const said = { message: { role: "assistant", parts: [{ type: "text", text: "x" }] }, usage: { ...noUsage, outputTokens: 50 } } as const;
    const { team } = await open({ first: failing("MODEL_BILLING"), second: said }, agent);

    const taskId = await team.submit(agent, null);
    await team.result(taskId);

    const calls = await team.records({ eventTypes: ["model_call"], taskId });
    expect(new Map(calls.map(({ result, cost_micro_usd: cost }) => [result, cost]))).toEqual(new Map([["error", null], ["success", 500]]));
    await team.close();
  });

  test("returns to the first by its breaker's probe", async () => {
    const { team, first: primary } = await open({ first: failing("MODEL_TRANSIENT") });
    const once = async () => await team.result(await team.submit(writer, null));
    for (let task = 0; task < 12; task++) expect(await once()).toMatchObject({ outcome: "degraded" });
    const [opened] = await team.records({ eventTypes: ["breaker"], result: "open" });
    expect(opened).toBeDefined();
    const calls = primary.calls;
    expect(await once()).toMatchObject({ outcome: "degraded", reason: expect.stringContaining("is not called for another") });
    expect(primary.calls, "an open breaker is not called").toBe(calls);

    primary.answer = "from the first";
    await team.advance(Number(opened?.data["openMs"]));

    expect(await once()).toMatchObject({ outcome: "unverified", output: "from the first", reason: null });
    await team.advance("2m");
    expect(await team.health()).toMatchObject([{ degraded: null }]);
    expect(team.notifications().at(-1)).toContain("writer is no longer degraded");
    await team.close();
  });
});

describe("a chain over the wire", () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  // Loading them takes real time, for which a virtual clock does not wait.
  beforeAll(async () => {
    await Promise.all([import("@ai-sdk/anthropic"), import("@ai-sdk/openai")]);
  });
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());

  /** `said`: what the first one says for no token. */
  async function overTheWire(fault: () => Fault | undefined, agent: Parameters<typeof defineTeam>[0]["agents"][number], said?: string) {
    const asked: string[] = [];
    const house = (name: string, faults: () => Fault | undefined) => {
      const simulator = createProviderSimulator({ script: () => (name === "anthropic" && said !== undefined ? { ...replyText(said), usage: { outputTokens: 0 } } : replyText(`from ${name}, in many words that come one after the other`)), faults });
      return endpoint({ name, baseUrl: `http://${name}.test/v1`, simulated: true, prices: { first: { input: 0, output: 1000 }, second: { input: 0, output: 10 } }, fetch: (request) => (asked.push(name), simulator.fetch(request)) });
    };
    const team = await openDiskTeam(defineTeam({ name: "t", agents: [agent], endpoints: [house("anthropic", fault), house("openai", () => undefined)] }), { directory: directory.path });
    return { team, asked };
  }

  test("goes to the next before the first content", async () => {
    const { team, asked } = await overTheWire(() => ({ kind: "status", status: 503 }), writer);

    expect(await team.result(await team.submit("writer", null))).toMatchObject({ outcome: "degraded", output: expect.stringContaining("from openai") });
    expect(asked).toEqual(["anthropic", "anthropic", "anthropic", "openai"]);
    const [task] = await team.live.tasks.list({});
    const read = (command: Parameters<typeof readCommand>[0]) => readCommand(command, { data: directory.path, clock: team.clock });
    const who = `${second} answered in the place of ${first}`;
    const ps = await read((context) => runPs(context, { all: true, limit: 10 }));
    expect(ps).toMatch(/writer +agent +idle, degraded/);
    expect(ps).toContain(who);
    expect(await read(runHealth)).toContain(who);
    expect(await read((context) => runShow(context, task?.id ?? "", {}))).toMatch(new RegExp(`degraded ${who}`));
    await team.close();
  });

  test.each<readonly [string, Fault, number]>([
    ["three tries of which nobody knows the bill, in full", { kind: "cut", afterEvents: 0 }, 60_000],
    ["nothing for calls that were refused", { kind: "status", status: 503 }, 0],
  ])("pays %s, and the answer at its own price", async (_, fault, firstMicroUsd) => {
    const { team } = await overTheWire(() => fault, writer);
    const taskId = await team.submit("writer", null);

    expect(await team.result(taskId)).toMatchObject({ outcome: "degraded" });

    const [answer] = await team.records({ eventTypes: ["model_call"], result: "success" });
    const usage = answer?.data["usage"] ?? null;
    const secondMicroUsd = isJsonObject(usage) ? Number(usage["outputTokens"]) * 10 : Number.NaN;
    const view = openOperatorView(directory.path, team.clock);
    expect(answer?.cost_micro_usd).toBe(secondMicroUsd);
    expect(await view.store.money.spent({ taskId })).toMatchObject({ spentMicroUsd: firstMicroUsd + secondMicroUsd, reservedMicroUsd: 0 });
    await view.close();
    await team.close();
  });

  test("asks the same model again once an answer has begun", async () => {
    let faults = 0;
    const { team, asked } = await overTheWire(() => (faults++ < 3 ? { kind: "cut", afterEvents: 5 } : undefined), writer);

    const taskId = await team.submit("writer", null);
    await team.advance(10_000);
    expect(await team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "retry" });

    expect(await team.result(taskId)).toMatchObject({ outcome: "unverified", output: expect.stringContaining("from anthropic") });
    expect(asked).toEqual(["anthropic", "anthropic", "anthropic", "anthropic"]);
    await team.close();
  });

  test("goes to the next when the answer is an error in words, although words had come", async () => {
    const overloaded = JSON.stringify({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } });
    const { team, asked } = await overTheWire(() => undefined, writer, overloaded);

    expect(await team.result(await team.submit("writer", null))).toMatchObject({ outcome: "degraded", output: expect.stringContaining("from openai"), reason: expect.stringContaining("Overloaded") });
    expect(asked).toEqual(["anthropic", "anthropic", "anthropic", "openai"]);
    await team.close();
  });

  test("shows in health while the task goes on", async () => {
    const agent = defineAgent({
      name: "writer",
      limits: { outputTokensMax: 20 },
      run: async (ctx) => {
        await generateText({ model: ctx.model(fallback([first, second])), prompt: "Write.", maxRetries: 0 });
        await ctx.sleep("30d");
      },
    });
    const { team } = await overTheWire(() => ({ kind: "status", status: 401 }), agent);
    const taskId = await team.submit("writer", null);
    await expect.poll(() => team.task(taskId)).toMatchObject({ waitingReason: "timer" });

    expect(await team.live.health()).toMatchObject([{ bad: false, health: { state: "waiting" }, degraded: expect.stringContaining(`task ${taskId}: ${second} answered in the place of ${first}`) }]);
    await team.close();
  });

  test("is refused by ctx.model as at load", async () => {
    const agent = defineAgent({ name: "writer", run: async (ctx) => ctx.model(fallback([first, first])).modelId });
    const { team } = await overTheWire(() => undefined, agent);

    expect(await team.result(await team.submit("writer", null))).toMatchObject({ status: "dead", failure: { code: "OPTION_INVALID", message: expect.stringContaining("in the chain already") } });
    await team.close();
  });

  test("stands in for ctx.model too, and a crash after it changes nothing", async () => {
    const agent = defineAgent({
      name: "writer",
      limits: { outputTokensMax: 20 },
      run: async (ctx) => {
        const { text } = await generateText({ model: ctx.model(fallback([first, second])), prompt: "Write.", maxRetries: 0 });
        await ctx.sleep("1h");
        return text;
      },
    });
    const { team, asked } = await overTheWire(() => ({ kind: "status", status: 401 }), agent);
    const taskId = await team.submit("writer", null);
    await expect.poll(() => team.task(taskId)).toMatchObject({ waitingReason: "timer" });

    const after = await team.afterCrash();
    expect(await after.result(taskId)).toMatchObject({ status: "done", outcome: "degraded", reason: expect.stringContaining(`${second} answered in the place of ${first}`), output: expect.stringContaining("from openai") });
    expect(asked).toEqual(["anthropic", "openai"]);
    await after.close();
    await team.close();
  });
});

describe("a chain is refused at load", () => {
  test.each([
    ["with one model", fallback([first] as never), /from 2 to 5 models/],
    ["with six models", fallback([1, 2, 3, 4, 5, 6].map((n) => `anthropic/${n}`) as never), /from 2 to 5 models/],
    ["with one model twice", fallback([first, first]), /in the chain already/],
    ["with a chain in it", fallback([first, fallback([first, second]) as never]), /cannot stand in a chain/],
    ["with a provider that is not known", fallback([first, "nobody/x"]), /model\.models\[1\].*not known/],
  ])("%s", async (_, model, message) => {
    await expect(testTeam(defineTeam({ name: "t", agents: [defineAgent({ name: "writer", model, instructions: "Write." })] }))).rejects.toThrow(message);
  });
});
