import { defineAgent, defineFlow, defineTeam, type RunContext } from "longhaul";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { runShow } from "../../src/cli/command/show.ts";
import { createOutput } from "../../src/cli/output.ts";
import { toTaskView } from "../../src/http/task-view.ts";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

let directory: ReturnType<typeof temporaryDirectory>;
let teams: DiskTeam[];
let log: string[];
beforeEach(() => {
  directory = temporaryDirectory();
  teams = [];
  log = [];
});
afterEach(async () => {
  for (const team of teams) await team.close();
  directory.remove();
});

async function open(run: (ctx: RunContext) => Promise<unknown>): Promise<DiskTeam> {
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [defineAgent({ name: "booker", run })] }), { directory: `${directory.path}/team` });
  teams.push(team);
  return team;
}

async function compensationOf(team: DiskTeam, taskId: string): Promise<string> {
  return `c_${(await team.task(taskId)).runId}`;
}

/** Books one thing, and registers what takes it back. */
async function book(ctx: RunContext, what: string): Promise<string> {
  let booking = "none";
  await ctx.compensate(`cancel ${what}`, ({ idempotencyKey, signal }) => {
    log.push(`cancel ${booking} ${signal.aborted ? "aborted" : "alive"} ${idempotencyKey.split("/").slice(1).join("/")}`);
  });
  booking = await ctx.step(`book ${what}`, () => {
    log.push(`book ${what}`);
    return `${what}-1`;
  });
  return booking;
}

test("what a run registered is undone last to first when its code throws, with what its steps came to; its steps are not executed again", async () => {
  const team = await open(async (ctx) => {
    await book(ctx, "flight");
    await book(ctx, "hotel");
    throw new Error("no car");
  });
  const taskId = await team.submit("booker", null);

  expect(await team.result(taskId)).toMatchObject({ status: "dead", reason: "failed" });
  const compensation = await compensationOf(team, taskId);
  expect(await team.result(compensation)).toMatchObject({ status: "done", output: { compensated: ["cancel hotel", "cancel flight"] } });

  expect(log).toEqual(["book flight", "book hotel", "cancel hotel-1 alive compensation/cancel hotel/1", "cancel flight-1 alive compensation/cancel flight/1"]);
  const told = await team.records({ taskId: compensation, eventTypes: ["decision"] });
  expect(told.map(({ result, reason }) => `${result}: ${reason}`).toSorted()).toEqual(['compensated: ctx.compensate("cancel flight"): undone', 'compensated: ctx.compensate("cancel hotel"): undone']);
});

test("a canceled task is canceled at once, and what it registered is undone with a signal that is not aborted", async () => {
  const team = await open(async (ctx) => {
    await book(ctx, "flight");
    await ctx.sleep("1d");
    await book(ctx, "hotel");
  });
  const taskId = await team.submit("booker", null);
  await team.settle();

  await team.live.operations.cancel(taskId, "changed my mind");

  expect(await team.task(taskId)).toMatchObject({ status: "canceled" });
  expect(await team.result(await compensationOf(team, taskId))).toMatchObject({ status: "done" });
  expect(log).toEqual(["book flight", "cancel flight-1 alive compensation/cancel flight/1"]);
});

test("a flow compensates too, and for what an agent that it called did: that one is done", async () => {
  const flyer = defineAgent({ name: "flyer", run: (ctx: RunContext) => book(ctx, "flight") });
  const trip = defineFlow({
    name: "trip",
    run: async (ctx) => {
      let flight: unknown = null;
      await ctx.compensate("give the flight back", () => void log.push(`give back ${String(flight)}`));
      flight = (await ctx.call(flyer, undefined)).output;
      throw new Error("no hotel");
    },
  });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [flyer], flows: [trip] }), { directory: `${directory.path}/team` });
  teams.push(team);
  const taskId = await team.submit("trip", null);
  await team.result(taskId);

  expect(await team.result(await compensationOf(team, taskId))).toMatchObject({ status: "done" });
  expect(log).toEqual(["book flight", "give back flight-1"]);
});

test("one that fails for good is tried as often as its options say and named in the task's end; the others are undone, and a restart tries what is left", async () => {
  let attempts = 0;
  let isMended = false;
  const team = await open(async (ctx) => {
    await book(ctx, "flight");
    await ctx.compensate("refund", () => {
      attempts++;
      if (!isMended) throw new Error("the bank is closed");
      log.push("refunded");
    }, { attempts: 2 });
    await book(ctx, "hotel");
    throw new Error("no car");
  });
  const taskId = await team.submit("booker", null);
  await team.result(taskId);
  const compensation = await compensationOf(team, taskId);

  expect(await team.result(compensation)).toMatchObject({
    status: "dead", reason: "compensation-failed",
    evidence: { compensated: ["cancel hotel", "cancel flight"], failed: [{ name: "refund", reason: "the bank is closed" }] },
    failure: { message: expect.stringContaining(`Not undone: refund (the bank is closed). Undone: cancel hotel, cancel flight. Undo it by hand, or mend what failed and have it tried again: longhaul restart ${compensation}`) },
  });
  expect(attempts).toBe(2);
  expect(await team.records({ taskId: compensation, eventTypes: ["error"] })).toMatchObject([{ reason: 'ctx.compensate("refund"): the bank is closed' }]);

  isMended = true;
  await team.live.operations.restart(compensation);

  expect(await team.result(compensation)).toMatchObject({ status: "done" });
  expect(log.filter((line) => !line.startsWith("book"))).toEqual(["cancel hotel-1 alive compensation/cancel hotel/1", "cancel flight-1 alive compensation/cancel flight/1", "refunded"]);
});

test("one that hangs is cut off after its timeout, and the others are undone", async () => {
  const team = await open(async (ctx) => {
    await book(ctx, "flight");
    await ctx.compensate("refund", ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))), { timeout: "5s", attempts: 1 });
    throw new Error("no car");
  });
  const taskId = await team.submit("booker", null);
  await team.result(taskId);
  const begunAtMs = team.clock.now();

  const end = await team.result(await compensationOf(team, taskId));

  expect(end).toMatchObject({ status: "dead", failure: { message: expect.stringContaining('refund (ctx.compensate("refund") took longer than its timeout of 5.0 s') } });
  expect(team.clock.now() - begunAtMs).toBe(5_000);
  expect(log).toContain("cancel flight-1 alive compensation/cancel flight/1");
});

test("a process that dies between two of them goes on with the next one, also with a key that was not told before", async () => {
  const gate = { hangs: true };
  const definition = async (ctx: RunContext): Promise<void> => {
    await ctx.compensate("first", ({ idempotencyKey }) => {
      log.push(`first ${idempotencyKey}`);
      return gate.hangs ? new Promise(() => undefined) : null;
    });
    await ctx.compensate("second", () => void log.push("second"));
    throw new Error("broken");
  };
  const before = await open(definition);
  const taskId = await before.submit("booker", null);
  await before.settle();
  expect(log).toEqual(["second", expect.stringMatching(/^first /)]);
  gate.hangs = false;
  const after = await before.afterCrash();
  teams.push(after);

  expect(await after.result(await compensationOf(after, taskId))).toMatchObject({ status: "done" });
  expect(log).toEqual(["second", log[1], log[1]]);
});

test("ctx does nothing within a compensation, and says so", async () => {
  const team = await open(async (ctx) => {
    await ctx.compensate("wrong", async () => await ctx.step("more", () => void log.push("more")), { attempts: 1 });
    throw new Error("broken");
  });
  const taskId = await team.submit("booker", null);
  await team.result(taskId);

  expect(await team.result(await compensationOf(team, taskId))).toMatchObject({ reason: "compensation-failed", failure: { message: expect.stringContaining("code more was asked for within a compensation, where ctx does nothing") } });
  expect(log).toEqual([]);
});

test("the 101st compensation of a run is refused, and the hundred are undone", async () => {
  const team = await open(async (ctx) => {
    for (let n = 1; n <= 101; n++) await ctx.compensate("one of many", () => void log.push(String(n)));
  });
  const taskId = await team.submit("booker", null);

  expect(await team.result(taskId)).toMatchObject({ status: "dead", failure: { code: "COMPENSATION_LIMIT", message: expect.stringContaining("more than 100 compensations") } });
  expect(await team.result(await compensationOf(team, taskId))).toMatchObject({ status: "done" });
  expect(log).toEqual(Array.from({ length: 100 }, (_, index) => String(100 - index)));
});

test("code that does not register one any more is named for it, and the others are undone", async () => {
  const definition = (isOld: boolean) => defineTeam({
    name: "t",
    agents: [defineAgent({
      name: "booker",
      run: async (ctx) => {
        if (isOld) await ctx.compensate("gone", () => void log.push("gone"));
        await book(ctx, "flight");
        await ctx.waitFor("never");
      },
    })],
  });
  const before = await openDiskTeam(definition(true), { directory: `${directory.path}/team` });
  teams.push(before);
  const taskId = await before.submit("booker", null);
  await before.settle();
  const after = await before.afterCrash({}, definition(false));
  teams.push(after);
  await after.live.operations.cancel(taskId, "enough");

  expect(await after.result(await compensationOf(after, taskId))).toMatchObject({
    reason: "compensation-failed", evidence: { compensated: ["cancel flight"], failed: [{ name: "gone", reason: "the code does not register it any more" }] },
  });
  expect(log).toEqual(["book flight", "cancel flight-1 alive compensation/cancel flight/1"]);
});

test.each([["in its time", 4_000], ["too long", 6_000]] as const)("code that awaits something of its own, %s, before it registers", async (how, ms) => {
  const own = { wait: (): Promise<void> => Promise.resolve() };
  const team = await open(async (ctx) => {
    await book(ctx, "flight");
    await own.wait();
    await book(ctx, "hotel");
    own.wait = () => new Promise((resolve) => team.clock.setTimer(ms, () => resolve()));
    throw new Error("no car");
  });
  const taskId = await team.submit("booker", null);
  await team.result(taskId);

  const end = await team.result(await compensationOf(team, taskId));

  const reason = "the code awaited something other than ctx for too long before it registered this again: wrap that in ctx.step";
  expect(end).toMatchObject(how === "in its time" ? { status: "done", output: { compensated: ["cancel hotel", "cancel flight"] } } : { reason: "compensation-failed", evidence: { compensated: ["cancel flight"], failed: [{ name: "cancel hotel", reason }] } });
  expect(log.filter((line) => line.startsWith("cancel"))).toHaveLength(how === "in its time" ? 2 : 1);
});

test("a fork is served nothing of what was undone: of what the run did before, and of what it was itself served of another task, it is", async () => {
  let broken = "";
  const team = await open(async (ctx) => {
    await ctx.step("look", () => void log.push("look"));
    const booked = [await book(ctx, "flight"), await book(ctx, "hotel")];
    await ctx.step("pay", () => {
      if (broken !== "") throw new Error(broken);
    });
    return booked;
  });
  broken = "no card";
  const dead = await team.submit("booker", null);
  await team.result(dead);
  const { runId } = await team.task(dead);
  await team.result(await compensationOf(team, dead));
  broken = "";

  await expect(team.live.operations.fork(dead, 3)).rejects.toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining(`from is 3, behind ctx.compensate("cancel flight") (step 2): task c_${runId} undoes`) });
  await expect(team.live.operations.fork(dead, 6)).rejects.toMatchObject({ message: expect.stringContaining("Use at most 2") });
  log.length = 0;
  expect(await team.live.operations.fork(dead, 2)).toMatchObject({ served: 1 });
  expect(await team.result(dead)).toMatchObject({ status: "done", output: ["flight-1", "hotel-1"] });
  expect(log).toEqual(["book flight", "book hotel"]);
  // By the id of the run that was undone, too.
  await expect(team.live.operations.fork(String(runId), 3)).rejects.toMatchObject({ code: "OPTION_INVALID" });

  // A fork of one that is done, which fails: the flight is the other one's, the hotel was the fork's own and is undone.
  broken = "no card";
  const { task } = await team.live.operations.fork(dead, 4);
  await team.result(task.id);
  expect(await team.result(await compensationOf(team, task.id))).toMatchObject({ output: { compensated: ["cancel hotel"] } });
  broken = "";
  await expect(team.live.operations.fork(task.id, 5)).rejects.toMatchObject({ message: expect.stringContaining("Use at most 4") });
  log.length = 0;
  await team.live.operations.fork(task.id, 4);
  expect(await team.result(task.id)).toMatchObject({ status: "done", output: ["flight-1", "hotel-1"] });
  expect(log).toEqual(["book hotel"]);
});

test("show names the task that undoes another one, and it is not forked", async () => {
  const team = await open(async (ctx) => {
    await book(ctx, "flight");
    throw new Error("no car");
  });
  const taskId = await team.submit("booker", null);
  await team.result(taskId);
  const compensation = await compensationOf(team, taskId);
  await team.result(compensation);

  expect(await shown(taskId)).toContain(`undone   by ${compensation}, done(unverified)`);
  expect(await shown(compensation)).toContain(`compensates ${taskId}, which is dead`);
  await expect(team.live.operations.fork(compensation, 1)).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining(`Task ${compensation} undoes what another run did; it is not forked.`) });
});

async function shown(taskId: string): Promise<string> {
  let text = "";
  const stream = { write: (part: string) => (text += part) };
  const output = createOutput({ stdout: stream, stderr: stream, isJson: false, hasColors: false });
  await runShow({ output, data: `${directory.path}/team`, store: null, clock: systemClock, random: systemRandom, environment: () => undefined }, taskId, {});
  return text;
}

test("nothing stands in for a run that registered what undoes it: it is dead, and undone; for one that did not, it does", async () => {
  const booker = defineAgent({
    name: "booker",
    fallback: [() => "no trip"],
    run: async (ctx, input) => {
      if (input === "trip") await book(ctx, "flight");
      throw new Error("no car");
    },
  });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [booker] }), { directory: `${directory.path}/team` });
  teams.push(team);
  const taskId = await team.submit("booker", "trip");

  expect(await team.result(taskId)).toMatchObject({ status: "dead", reason: "failed" });
  expect(await team.result(await compensationOf(team, taskId))).toMatchObject({ status: "done", output: { compensated: ["cancel flight"] } });
  expect(await team.result(await team.submit("booker", "nothing"))).toMatchObject({ status: "done", outcome: "degraded", output: "no trip" });
});

test("nor does anything stand in for what could not be undone", async () => {
  const booker = defineAgent({
    name: "booker",
    fallback: [() => "no trip"],
    run: async (ctx) => {
      await ctx.compensate("cancel", () => { throw new Error("the office is closed"); }, { attempts: 1 });
      throw new Error("no car");
    },
  });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [booker] }), { directory: `${directory.path}/team` });
  teams.push(team);
  const taskId = await team.submit("booker", null);
  await team.result(taskId);

  const compensation = await compensationOf(team, taskId);
  expect(await team.result(compensation)).toMatchObject({ status: "dead", reason: "compensation-failed" });
  expect(toTaskView(await team.task(compensation))).toMatchObject({ stopReason: "compensation-failed" });
});

test("code that caught what its doubts refused comes to what it registered after, and that is undone", async () => {
  const picky = defineAgent({ name: "picky", accepts: ["verified"], run: async () => "worked" });
  const booker = defineAgent({
    name: "booker",
    run: async (ctx) => {
      await ctx.call(picky, null).catch((error: unknown) => void log.push(String((error as { readonly code?: string }).code)));
      await book(ctx, "flight");
      throw new Error("no car");
    },
  });
  const source = defineAgent({ name: "source", run: async () => "found" });
  const flow = defineFlow({
    name: "trip",
    run: async (ctx) => {
      await ctx.call(source, null);
      return (await ctx.send(booker, null)).taskId;
    },
  });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [picky, booker, source], flows: [flow] }), { directory: `${directory.path}/team` });
  teams.push(team);
  const { output } = (await team.result(await team.submit("trip", null))) as { readonly output: string };

  expect(await team.result(output)).toMatchObject({ status: "dead", reason: "failed" });
  const compensation = await compensationOf(team, output);
  expect(await team.result(compensation)).toMatchObject({ status: "done", output: { compensated: ["cancel flight"] } });
  expect([(await team.task(output)).doubts, (await team.task(compensation)).doubts]).toEqual([["unverified"], ["unverified"]]);
  expect(log).toEqual(["OUTCOME_NOT_ACCEPTED", "book flight", "OUTCOME_NOT_ACCEPTED", "cancel flight-1 alive compensation/cancel flight/1"]);
});
