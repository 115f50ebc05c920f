import { defineAgent, defineTeam, type RunContext, type TeamDefinition } from "longhaul";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

let directory: ReturnType<typeof temporaryDirectory>;
let teams: DiskTeam[];
beforeEach(() => {
  directory = temporaryDirectory();
  teams = [];
});
afterEach(async () => {
  for (const team of teams) await team.close();
  directory.remove();
});

const other = defineAgent({ name: "same", run: async () => null });

type Code = (ctx: RunContext) => Promise<unknown>;

/** Each method of ctx under the name that all of them can have. */
const calls: Readonly<Record<string, Code>> = {
  step: (ctx) => ctx.step("same", () => 1),
  transaction: (ctx) => ctx.transaction("same", async () => 1),
  send: (ctx) => ctx.send(other, null),
  publish: (ctx) => ctx.publish("same", {}),
  call: (ctx) => ctx.call(other, null),
  waitFor: (ctx) => ctx.waitFor("same", { timeout: "1s" }),
};

function teamOf(code: Code): TeamDefinition {
  const main = defineAgent({
    name: "main",
    run: async (ctx) => {
      await code(ctx);
      await ctx.sleep("1m");
      return null;
    },
  });
  return defineTeam({ name: "t", agents: [main, other] });
}

async function parkedBy(code: Code, changed: Code): Promise<unknown> {
  const before = await openDiskTeam(teamOf(code), { directory: `${directory.path}/team` });
  teams.push(before);
  const taskId = await before.submit("main", null);
  await before.settle();
  await before.advance(2_000);
  const team = await before.afterCrash({}, teamOf(changed));
  teams.push(team);
  await team.advance(10_000);
  const { status, waitingReason } = await team.task(taskId);
  return waitingReason ?? status;
}

const methods = Object.entries(calls);

test.each(methods.map(([name, code], index) => [name, methods[(index + 1) % methods.length]?.[0] ?? "", code, methods[(index + 1) % methods.length]?.[1] ?? code] as const))(
  "a %s that became a %s of the same name is noticed, and the same code goes on",
  async (_, __, code, changed) => {
    expect(await parkedBy(code, changed)).toBe("code-mismatch");
    directory.remove();
    expect(await parkedBy(code, code)).toBe("done");
  },
);

test("a step that became a note, and a sleep that became a wait for a signal, are noticed", async () => {
  expect(await parkedBy((ctx) => ctx.step("note", () => 1), (ctx) => ctx.note("note"))).toBe("code-mismatch");
  directory.remove();
  expect(await parkedBy((ctx) => ctx.sleep("1s"), (ctx) => ctx.waitFor("sleep", { timeout: "1s" }))).toBe("code-mismatch");
});
