import { defineAgent, defineTeam, type RunContext } from "longhaul";
import { testTeam } from "longhaul/testing";
import { expect, test } from "vitest";

async function run(code: (ctx: RunContext) => Promise<unknown>) {
  const team = await testTeam(defineTeam({ name: "t", agents: [defineAgent({ name: "main", run: code })] }));
  return { team, end: await team.result(await team.submit("main", null), "20d") };
}

test.each([
  ["an error whose message cannot be read", () => Object.defineProperty(new Error("g"), "message", { get() { throw new Error("the getter threw"); } }), "an Error that cannot be read as text"],
  ["an object without a prototype", () => Object.create(null) as unknown, "{}"],
])("a step that throws %s is tried again, and ends in a failure that says so", async (_, make, message) => {
  let calls = 0;
  const { team, end } = await run((ctx) => ctx.step("s", () => { calls++; throw make(); }));

  expect(calls).toBe(3);
  expect(end).toMatchObject({ status: "dead", reason: "failed", failure: { message } });
  expect((await team.records({ eventTypes: ["retry"] })).map(({ reason }) => reason)).toEqual([message, message]);
  expect((await team.records({ eventTypes: ["error"] })).map(({ reason }) => reason)).toEqual([`ctx.step("s"): ${message}`]);
  await team.close();
});

test("failures are cut in the journal and in records, which say how much there was", async () => {
  const { team, end } = await run(async (ctx) => {
    for (let step = 0; step < 3; step++) {
      await ctx.step(`f${step}`, () => { throw new Error("x".repeat(4_000_000)); }, { attempts: 2 }).catch(() => null);
    }
    return ctx.step("last", () => { throw Object.assign(new Error("y".repeat(4_000_000)), { code: "E_LONG" }); }, { attempts: 1 });
  });

  expect(end).toMatchObject({ status: "dead", failure: { code: "E_LONG", message: expect.stringContaining("… (cut: 4000000 characters)") as string } });
  const records = await team.records({ eventTypes: ["retry", "error", "task"] });
  expect(records.filter(({ reason }) => /cut: 40000\d\d characters/.test(reason ?? "")).length).toBeGreaterThanOrEqual(7);
  expect(JSON.stringify(records).length).toBeLessThan(200_000);
  await team.close();
});
