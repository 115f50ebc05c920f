import { defineAgent, defineTeam } from "longhaul";
import { scriptedModel } from "longhaul/testing";
import { afterEach, expect, test } from "vitest";
import { LonghaulError } from "../../src/base/error.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import type { CommandContext } from "../../src/cli/command-context.ts";
import { runPs } from "../../src/cli/command/ps.ts";
import { runShow } from "../../src/cli/command/show.ts";
import { closedBreaker } from "../../src/policy/breaker.ts";
import { breakerToJson } from "../../src/policy/breaker-json.ts";
import { listBreakers } from "../../src/runtime/team-breakers.ts";
import { readCommand } from "../fixture/command.ts";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

/* Threads that this answers: openclaw/openclaw#60419 (a cool-down of the wrong scope). */

const folder = temporaryDirectory();
afterEach(() => folder.remove());

const agents = Array.from({ length: 20 }, (_, index) => defineAgent({ name: `a${index}`, model: "anthropic/test", instructions: "Answer." }));

/** A provider at which one account is down. */
function openWorld() {
  const world = { account: "anthropic api.test one", down: ["anthropic api.test one"], calls: 0 };
  const scripted = scriptedModel(() => {
    world.calls++;
    if (world.down.includes(world.account)) throw new LonghaulError("MODEL_TRANSIENT", "503", { retry: "backoff" });
    return "done";
  });
  const model = { ...scripted, id: "anthropic/test", provider: "anthropic" };
  Object.defineProperty(model, "account", { get: () => world.account });
  return { world, model };
}

test("an account that fails is held back, and another one of the same model is called at once", async () => {
  const { world, model } = openWorld();
  const team = await openDiskTeam(defineTeam({ name: "t", agents }), { directory: folder.path, model });
  for (const { name } of agents.slice(0, 10)) await team.submit(name, null);
  await team.advance(10_000);
  const [opened] = await team.records({ eventTypes: ["breaker"], result: "open" });
  expect(opened?.data["dependency"]).toMatch(/^anthropic\/test [0-9a-f]{8}$/);
  const before = world.calls;

  const refused = await team.submit("a10", null);
  await team.advance(1_000);
  expect(await team.task(refused)).toMatchObject({ status: "waiting", waitingReason: "breaker" });
  expect(world.calls).toBe(before);

  world.account = "anthropic api.test two";
  const served = await team.submit("a11", null);
  await team.advance(1_000);
  expect(await team.task(served)).toMatchObject({ status: "done" });
  expect(world.calls).toBe(before + 1);
  await team.close();
});

test("a person keeps a model from being called whatever the account, and closes the breakers of all of them", async () => {
  const { world, model } = openWorld();
  const team = await openDiskTeam(defineTeam({ name: "t", agents }), { directory: folder.path, model });
  for (const { name } of agents.slice(0, 10)) await team.submit(name, null);
  await team.advance(10_000);
  await team.live.operations.decideBreaker("anthropic/test", { isolate: "the bill is looked at" }, "cli");
  await team.advance(6_000);
  world.account = "anthropic api.test two";
  const before = world.calls;
  const kept = await team.submit("a12", null);
  await team.advance(1_000);
  expect(await team.task(kept)).toMatchObject({ status: "waiting", waitingReason: "breaker" });
  const read = (command: (context: CommandContext) => Promise<unknown>) => readCommand(command, { data: folder.path, clock: team.clock });
  expect(await read((context) => runPs(context, { all: false, limit: 1 }))).toMatch(/a12 +waiting\(breaker\) .* anthropic\/test is not called for now: longhaul breakers/);
  expect(await read((context) => runShow(context, kept, {}))).toMatch(/waits +breaker: .*anthropic\/test.*the bill is looked at/);
  expect(world.calls).toBe(before);

  world.account = "anthropic api.test one";
  world.down = [];
  expect(await team.live.operations.decideBreaker("anthropic/test", "close", "cli")).toBe("isolated");
  await team.advance(6_000);
  const served = await team.submit("a13", null);
  await team.advance(1_000);

  expect(await team.task(served)).toMatchObject({ status: "done" });
  await team.close();
});

test.each([
  ["one account of a model by the model's name", ["anthropic/test 0123abcd", "tool ship"], ["anthropic/test", "tool ship"]],
  ["several by a mark of each", ["anthropic/test 0123abcd", "anthropic/test 4567cdef"], ["anthropic/test 0123abcd", "anthropic/test 4567cdef"]],
  ["an agent and a tool, whose names look like marks, as they are called", ["agent deadbeef", "tool 0123abcd"], ["agent deadbeef", "tool 0123abcd"]],
  ["one beside the model, which a person isolated, by its mark", ["anthropic/test", "anthropic/test 0123abcd"], ["anthropic/test", "anthropic/test 0123abcd"]],
])("breakers show %s", async (_, stored, shown) => {
  const clock = new VirtualClock();
  const rows = stored.map((name) => ({ name: `breaker ${name}`, value: breakerToJson(closedBreaker(1), clock) }));

  expect((await listBreakers({ list: async () => rows }, clock)).map(({ dependency }) => dependency)).toEqual(shown);
});
