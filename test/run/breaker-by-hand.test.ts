import { defineAgent, defineTeam, defineTool, mcp } from "longhaul";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { z } from "zod";
import { describeStranger } from "../../src/cli/command/breakers.ts";
import { seededRandom } from "../../src/base/random.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import type { CommitWatch } from "../../src/db/group-commit.ts";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import { scriptedModel } from "../../src/model/scripted.ts";
import { dependencyOfModel } from "../../src/policy/model-dependency.ts";
import { openOfflineTeam } from "../../src/runtime/offline-team.ts";
import { openOperatorView } from "../../src/runtime/operator-view.ts";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

const folder = temporaryDirectory();
afterEach(() => folder.remove());

let shipped = 0;
const ship = defineTool({ name: "ship", description: "Ships.", inputSchema: z.object({}), effect: "once", execute: () => ++shipped });
const clerk = defineAgent({ name: "clerk", model: "anthropic/test", instructions: "Ship.", tools: [ship], limits: { concurrency: 10 } });
const model = scriptedModel(({ messages }) => (messages.at(-1)?.role === "tool" ? "told" : { toolCalls: [{ toolName: "ship", input: {} }] }));

const breakerRecords = async (team: DiskTeam) => (await team.records({ eventTypes: ["breaker"] })).filter(({ run_id: run }) => run === null).map(({ result, reason, data }) => ({ result, reason, from: data["from"] }));

test("what a person isolates is called by nobody, not after a restart either, until a person closes it", async () => {
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [clerk] }), { directory: folder.path, model });
  expect(await team.live.operations.decideBreaker("tool ship", { isolate: "the warehouse moves" }, "cli")).toBe("closed");
  const taskId = await team.submit("clerk", null);
  await team.advance(3_600_000);
  expect(await team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "breaker" });

  const next = await team.afterCrash();
  await team.close();
  await next.advance(3_600_000);
  expect(await next.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "breaker" });
  expect(shipped).toBe(0);
  const [refusal] = await next.records({ eventTypes: ["breaker"], result: "refused", limit: 1 });
  expect(refusal).toMatchObject({ tool_name: "ship", reason: "tool ship is not called: a person keeps it so: the warehouse moves." });

  expect(await next.live.operations.decideBreaker("tool ship", "close", "api")).toBe("isolated");
  await next.settle();

  expect(await next.task(taskId)).toMatchObject({ status: "done" });
  expect(shipped).toBe(1);
  expect(await breakerRecords(next)).toEqual([
    { result: "isolated", reason: "tool ship is not called: cli keeps it so: the warehouse moves", from: "closed" },
    { result: "closed", reason: "tool ship is called again: api closed its breaker.", from: "isolated" },
  ]);
  await next.close();
});

test.each(["tool ship", "scripted/model"])("a run that waits for %s, which a person keeps shut for hours, leaves one record, looks now and then, and goes on at once when it is opened", async (dependency) => {
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [clerk] }), { directory: folder.path, model });
  await team.live.operations.decideBreaker(dependency, { isolate: "it moves" }, "cli");
  const ids = [await team.submit("clerk", null), await team.submit("clerk", null)];
  await team.advance(6 * 3_600_000);

  const refusals = async () => (await team.records({ eventTypes: ["breaker"], result: "refused" })).map(({ run_id: run }) => run);
  const runIds = await Promise.all(ids.map(async (id) => (await team.task(id)).runId));
  expect(await refusals()).toHaveLength(2);
  expect(new Set(await refusals())).toEqual(new Set(runIds));
  expect((await team.live.tasks.steps(String(runIds[0]))).length).toBeLessThan(6 * 2 + 5);

  // Another reason is another decision.
  await team.live.operations.decideBreaker(dependency, { isolate: "it moves again" }, "cli");
  await team.advance(3_700_000);
  expect(await refusals()).toHaveLength(4);

  await team.live.operations.decideBreaker(dependency, "close", "cli");
  await team.advance(5_000);
  for (const id of ids) expect(await team.task(id)).toMatchObject({ status: "done" });
  await team.close();
});

test("all calls of one turn come back at once, not only the first", async () => {
  shipped = 0;
  const many = scriptedModel(({ messages }) => (messages.at(-1)?.role === "tool" ? "told" : { toolCalls: [1, 2, 3].map((n) => ({ toolName: "ship", input: {}, callId: `c${n}` })) }));
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [clerk] }), { directory: folder.path, model: many });
  await team.live.operations.decideBreaker("tool ship", { isolate: "it moves" }, "cli");
  const taskId = await team.submit("clerk", null);
  await team.advance(90_000);
  expect(shipped).toBe(0);

  await team.live.operations.decideBreaker("tool ship", "close", "cli");
  await team.settle();

  expect(await team.task(taskId)).toMatchObject({ status: "done" });
  expect(shipped).toBe(3);
  await team.close();
});

test("a model that is kept shut by the name of one of its accounts is opened, for those who wait too, by the name of the model", async () => {
  const ofAccount = Object.assign(scriptedModel("told"), { account: "scripted key-1" });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [clerk] }), { directory: folder.path, model: ofAccount });
  const account = dependencyOfModel({ modelId: ofAccount.id, account: ofAccount.account, provider: ofAccount.provider });
  await team.live.operations.decideBreaker(account, { isolate: "the key leaked" }, "cli");
  const taskId = await team.submit("clerk", null);
  await team.advance(90_000);
  expect(await team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "breaker" });

  await team.live.operations.decideBreaker("scripted/model", "close", "cli");
  await team.settle();

  expect(await team.task(taskId)).toMatchObject({ status: "done" });
  await team.close();
});

test("a run that a crash kept from waiting, and that nobody could signal therefore, comes back soon", async () => {
  const crashed = temporaryDirectory();
  let isCopied = false;
  const watchCommits: CommitWatch = {
    before: () => undefined,
    // The refusal is on disk, and the wait for its end is not.
    after: () => {
      const file = SqliteDatabase.openReadOnly(join(folder.path, "longhaul.db"));
      const isRefused = !isCopied && file.all("SELECT 1 FROM lh_journal WHERE outcome LIKE '%longhaul:breaker:%'").length > 0;
      file.close();
      if (!isRefused) return;
      isCopied = true;
      cpSync(folder.path, crashed.path, { recursive: true });
    },
  };
  shipped = 0;
  const team: DiskTeam = await openDiskTeam(defineTeam({ name: "t", agents: [clerk] }), { directory: folder.path, model, watchCommits });
  await team.live.operations.decideBreaker("tool ship", { isolate: "it moves" }, "cli");
  const taskId = await team.submit("clerk", null);
  await team.settle();
  await team.close();
  const offline = await openOfflineTeam({ dataDirectory: crashed.path, clock: new VirtualClock(team.clock.now() + 60_000), random: seededRandom(7) });
  expect(await offline.operations.decideBreaker("tool ship", "close", "cli")).toBe("isolated");
  await offline.close();

  const next = await openDiskTeam(defineTeam({ name: "t", agents: [clerk] }), { directory: crashed.path, model, startAtMs: team.clock.now() + 120_000 });
  await next.advance(90_000);

  expect(await next.task(taskId)).toMatchObject({ status: "done" });
  expect(shipped).toBe(1);
  await next.close();
  crashed.remove();
});

test("whoever isolates a name that no agent declares is told so, and which there are", async () => {
  const reader = defineAgent({ name: "reader", model: "anthropic/test", instructions: "Read.", tools: [ship, mcp({ name: "web", command: "none" })] });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [reader] }), { directory: folder.path, model });
  const view = openOperatorView(folder.path, team.clock);
  const manifest = await view.manifest();

  for (const declared of ["tool ship", "MCP server web", "anthropic/test", "agent reader"]) expect(describeStranger(manifest, declared)).toBeNull();
  expect(describeStranger(manifest, "tool shp")).toBe("No agent of t declares tool shp: nothing is held back unless code uses it under exactly this name. Declared: anthropic/test, tool ship, MCP server web, agent reader.");
  await view.close();
  await team.close();
});

test("a name that nothing can have is refused", async () => {
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [clerk] }), { directory: folder.path, model });

  await expect(team.live.operations.decideBreaker("x".repeat(513), "close", "cli")).rejects.toMatchObject({ code: "OPTION_INVALID" });
  await team.close();
});
