import { describe, expect, it } from "vitest";
import { LonghaulError } from "../base/error.ts";
import { defineAgent } from "./agent-definition.ts";
import { parallel, pipeline } from "./compose.ts";
import type { Callable, RunContext } from "./context.ts";
import { defineTeam } from "./team-definition.ts";
import { every } from "./trigger-definition.ts";
import { validateTeam } from "./validate-team.ts";

const [a, b, c] = [defineAgent({ name: "a", run: async () => null }), defineAgent({ name: "b", run: async () => null }), defineAgent({ name: "c", run: async () => null })];

/** A context whose `call` answers by the agent's name; what it was asked is kept. */
function contextOf(answers: Readonly<Record<string, (input: unknown) => unknown>>): { readonly ctx: RunContext; readonly asked: readonly unknown[] } {
  const asked: unknown[] = [];
  const call = async (agent: Callable, input: unknown): Promise<unknown> => {
    asked.push([agent.name, input]);
    return { taskId: `task_${agent.name}`, outcome: "unverified", output: answers[agent.name]?.(input), evidence: null };
  };
  return { ctx: { call } as unknown as RunContext, asked };
}

const dies = (message: string) => (): never => {
  throw new LonghaulError("TASK_DEAD", message);
};

describe("pipeline", () => {
  it("gives each stage the output of the one before it", async () => {
    const { ctx, asked } = contextOf({ a: (input) => `${String(input)}a`, b: (input) => `${String(input)}b`, c: (input) => `${String(input)}c` });
    const flow = pipeline({ name: "line", stages: [a, b, c] });
    expect(await flow.spec.run(ctx, "x")).toBe("xabc");
    expect(asked).toEqual([["a", "x"], ["b", "xa"], ["c", "xab"]]);
  });

  it("ends with the first stage that dies", async () => {
    const { ctx, asked } = contextOf({ a: dies("a died") });
    await expect(pipeline({ name: "line", stages: [a, b] }).spec.run(ctx, null)).rejects.toThrow("a died");
    expect(asked).toHaveLength(1);
  });

  it("is a flow of the team, with triggers and limits of its own", () => {
    const flow = pipeline({ name: "line", stages: [a, b], limits: { concurrency: 3 }, triggers: [every("1h")] });
    expect(flow).toMatchObject({ kind: "flow", name: "line", spec: { limits: { concurrency: 3 } } });
    expect(validateTeam(defineTeam({ name: "team", agents: [a, b, c], flows: [flow] }))).toEqual([]);
  });
});

describe("parallel", () => {
  it("asks all at once and gives what each came to", async () => {
    const { ctx, asked } = contextOf({ a: () => 1, b: dies("b died: rejected") });
    const flow = parallel({ name: "both", branches: { left: a, right: b } });
    expect(await flow.spec.run(ctx, "x")).toEqual({ left: { ok: true, output: 1, outcome: "unverified" }, right: { ok: false, reason: "b died: rejected" } });
    expect(asked).toEqual([["a", "x"], ["b", "x"]]);
  });

  it("dies when every branch does, with all reasons", async () => {
    const { ctx } = contextOf({ a: dies("a died"), b: dies("b died") });
    await expect(parallel({ name: "both", branches: { left: a, right: b } }).spec.run(ctx, null)).rejects.toMatchObject({ code: "TASK_DEAD", message: expect.stringContaining("left: a died; right: b died") });
  });

  it("does not take an error of the flow itself for one of a branch", async () => {
    const { ctx } = contextOf({
      a: () => {
        throw new LonghaulError("FAN_OUT_LIMIT", "too many children");
      },
      b: () => 1,
    });
    await expect(parallel({ name: "both", branches: { left: a, right: b } }).spec.run(ctx, null)).rejects.toMatchObject({ code: "FAN_OUT_LIMIT" });
  });
});
