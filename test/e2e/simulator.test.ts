import { defineAgent, defineTeam, defineTool, endpoint } from "longhaul";
import { createProviderSimulator, type Fault, replyText, replyToolCall, serveProviderSimulator, toolResultsOf } from "longhaul/simulator";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { LogRecord } from "../../src/record/log-record.ts";
import { isEnded, type Task } from "../../src/record/task.ts";
import { type LiveTeam, openLiveTeam } from "../../src/runtime/live-team.ts";

/** The faults of the next requests, in order; null is none. */
const faults: (Fault | null)[] = [];
const simulator = createProviderSimulator({
  faults: () => faults.shift() ?? undefined,
  script: (request) => (toolResultsOf(request).length === 0 ? replyToolCall("lookup", { name: "acme" }) : replyText("acme has 7 people")),
});
let close: () => Promise<void>;
let team: LiveTeam;
let lookups = 0;

beforeAll(async () => {
  const server = await serveProviderSimulator({ simulator });
  const lookup = defineTool({ name: "lookup", description: "Look a company up", inputSchema: z.object({ name: z.string() }), effect: "read", execute: ({ name }) => ({ name, people: 7, number: ++lookups }) });
  const wires = { anthropic: "anthropic", openai: "openai", chat: "openai-compatible" } as const;
  const agents = Object.keys(wires).map((name) => defineAgent({ name, model: `${name}/sim`, instructions: "Look it up.", tools: [lookup], limits: { concurrency: 4 }, verify: ({ output, accept, reject }) => (String(output).includes("7") ? accept() : reject("no number")) }));
  // A rate limit is one of the model: of these, nobody else calls it.
  const limited = Object.keys(wires).map((name) => defineAgent({ name: `${name}-limited`, model: `${name}/limited`, instructions: "Look it up.", tools: [lookup] }));
  const endpoints = Object.entries(wires).map(([name, wire]) => endpoint({ name, wire, baseUrl: `${server.url}/v1`, simulated: true }));
  team = await openLiveTeam({ team: defineTeam({ name: "t", agents: [...agents, ...limited], endpoints }), dataDirectory: null, clock: systemClock, random: seededRandom(1), environment: () => undefined, print: () => undefined });
  await team.start();
  close = async () => {
    await team.drain(0);
    await team.close();
    await server.close();
  };
});
afterAll(() => close());

/** Runs one task under these faults until it ends or waits. */
async function run(agent: string, ...planned: readonly (Fault | null)[]): Promise<{ readonly task: Task; readonly records: readonly LogRecord[] }> {
  faults.splice(0, faults.length, ...planned);
  const { taskId } = await team.operations.submit({ agent, input: null, source: "test" });
  for (;;) {
    const task = await team.operations.task(taskId);
    if (task !== null && (isEnded(task.status) || task.status === "waiting")) {
      const records = await team.records.query({ taskId, limit: 1000 });
      return { task, records: records.map(({ record }) => record) };
    }
    await sleep(systemClock, 5);
  }
}

const named = (records: readonly LogRecord[], type: LogRecord["event_type"]) => records.filter(({ event_type }) => event_type === type);
const times = (count: number, fault: Fault): readonly Fault[] => Array.from({ length: count }, () => fault);
const done = { status: "done", end: { outcome: "verified", output: "acme has 7 people" } };

describe.each(["anthropic", "openai", "chat"])("a team on the %s wire", (agent) => {
  it("works, and every record of a model says that it is simulated", async () => {
    const { task, records } = await run(agent);

    expect(task).toMatchObject(done);
    expect(named(records, "model_call")).toMatchObject([{ result: "success", simulated: true }, { result: "success", simulated: true }]);
    expect(named(records, "tool_call")).toMatchObject([{ tool_name: "lookup", tool_args: { name: "acme" }, result: "success" }]);
  });

  it.each([
    ["a short rate limit", { kind: "status", status: 429, retryAfter: "0.05" }, 1],
    ["an internal error", { kind: "status", status: 500 }, 1],
    ["an answer that is cut in the middle", { kind: "cut", afterEvents: 3 }, 1],
    ["two connections that are cut at once", { kind: "cut", afterEvents: 0 }, 2],
  ] as const)("gets over %s in the same step", async (_, fault, count) => {
    const { task, records } = await run(agent, ...times(count, fault));

    expect(task).toMatchObject(done);
    expect(named(records, "retry")).toHaveLength(count);
    expect(named(records, "model_call").map(({ result }) => result)).toEqual(["success", "success"]);
  });

  it("parks on a rate limit of two minutes, and other tasks go on meanwhile", async () => {
    const parked = await run(`${agent}-limited`, null, { kind: "status", status: 429, retryAfter: "120" });

    expect(parked.task).toMatchObject({ status: "waiting", waitingReason: "rate-limit" });
    expect(named(parked.records, "model_call").map(({ result, data }) => [result, data["code"] ?? null])).toEqual([["success", null], ["error", "MODEL_THROTTLED"]]);
    expect((await run(agent)).task).toMatchObject(done);
  });

  it("ends a task at once when its key is refused, by name, and goes on with the next", async () => {
    const refused = await run(agent, { kind: "status", status: 401 });

    expect(refused.task).toMatchObject({ status: "dead", end: { reason: "auth", failure: { code: "MODEL_AUTH" } } });
    expect((await run(agent)).task).toMatchObject(done);
  });

  it("does not take an empty answer for one", async () => {
    const { task, records } = await run(agent, { kind: "empty" });

    expect(task).toMatchObject(done);
    expect(named(records, "model_call").length + named(records, "retry").length).toBe(3);
  });
});

it("waits out an outage that outlasts its attempts instead of giving up", async () => {
  const overloaded = await run("anthropic", ...times(3, { kind: "status", status: 529, retryAfter: "0.01" }));

  expect(overloaded.task).toMatchObject({ status: "waiting", waitingReason: "retry" });
  expect(named(overloaded.records, "model_call")).toMatchObject([{ result: "error", data: { code: "MODEL_OVERLOADED" } }]);
  expect(named(overloaded.records, "retry")).toHaveLength(2);
});

it("lets go of a call that hangs when its task is canceled, and the agent goes on", async () => {
  faults.splice(0, faults.length, { kind: "hang" });
  const { taskId } = await team.operations.submit({ agent: "openai", input: null, source: "test" });
  while (faults.length > 0) await sleep(systemClock, 5);

  expect(await team.operations.cancel(taskId, "it hangs")).toBe(true);

  expect((await run("openai")).task).toMatchObject(done);
  // The receipt of a hang is written when its client has gone.
  while (!simulator.receipts().some(({ fault }) => fault === "hang")) await sleep(systemClock, 5);
});
