import { expect, it } from "vitest";
import { simulate } from "../../src/lab/simulation/simulate.ts";

const fixture = (name: string): URL => new URL(`./fixture/${name}.ts`, import.meta.url);

it("gives the same trace for the same seed and another one for another seed", async () => {
  const trace = async (seed: number | string): Promise<string> =>
    (await simulate({ team: fixture("sdk-team"), world: fixture("world"), seed, horizon: "2d", environment: { ANTHROPIC_API_KEY: "k" } })).trace;

  const first = await trace(1);

  expect(await trace(1)).toBe(first);
  expect(await trace("1")).toBe(first);
  expect(await trace(2)).not.toBe(first);
});

it("runs a small team for ninety days, and every firing and run of it leaves its records", async () => {
  const result = await simulate({ team: fixture("fifty-agents"), horizon: "90d", environment: { AGENTS: "1", EVERY: "3h" }, keep: { limit: 1_000, take: "oldest" } });

  const firings = 90 * 8;
  expect(result.counts).toEqual({ "health idle": 1, "start started": 1, "trigger ran": firings, "task queued": firings, "task running": firings, "task done": firings });
  expect(result.health).toMatchObject([{ agent: "agent-0", bad: false, evidence: `No work; ${firings} accomplished so far.` }]);
  expect(result.told).toEqual([]);
  expect(result.kept).toHaveLength(1_000);
});

it("lets fifty agents run for two days as it would for ninety", async () => {
  const result = await simulate({ team: fixture("fifty-agents"), horizon: "2d" });

  expect(result.counts).toMatchObject({ "trigger ran": 9_600, "task done": 9_600 });
  expect(result.health.filter(({ bad }) => bad)).toEqual([]);
});
