import { afterAll, describe, expect, it } from "vitest";
import { sleep } from "../../base/clock.ts";
import { messageOf } from "../../base/error.ts";
import { canonicalJson, type Json } from "../../base/json.ts";
import { integerBetween, seededRandom, type Random } from "../../base/random.ts";
import { macrotask } from "../../base/turn.ts";
import { isEnded } from "../../record/task.ts";
import type { EngineContext, Execute } from "../engine.ts";
import { agentA, done, newTask, value, type EngineFixture } from "../engine-fixture.testsuite.ts";
import { sqliteSuite } from "./sqlite-fixture.testsuite.ts";

/** Durable code as data. */
type Program =
  | { readonly type: "step"; readonly name: string; readonly durationMs: number; readonly isFailing: boolean }
  | { readonly type: "sleep"; readonly name: string; readonly durationMs: number }
  | { readonly type: "child"; readonly name: string; readonly program: Program }
  | { readonly type: "sequence" | "all" | "race" | "allSettled"; readonly parts: readonly Program[] };

function randomProgram(random: Random, depth: number, path: string): Program {
  const kind = random.next();
  // Long and uneven, so that no two things happen at one instant by chance.
  const durationMs = integerBetween(random, 1, 1_000_000);
  // Few names, so that occurrences count.
  const name = `n${integerBetween(random, 1, 3)}`;
  if (depth === 0 || kind < 0.2) return { type: "step", name, durationMs, isFailing: random.next() < 0.15 };
  if (kind < 0.3) return { type: "sleep", name, durationMs };
  if (kind < 0.4) return { type: "child", name: path, program: randomProgram(random, depth - 1, `${path}c`) };
  const parts = Array.from({ length: integerBetween(random, 1, 4) }, (_, index) => randomProgram(random, depth - 1, `${path}${index}`));
  const type = kind < 0.7 ? "sequence" : kind < 0.8 ? "all" : kind < 0.9 ? "race" : "allSettled";
  return { type, parts };
}

/** Runs a program. A body ends at an instant that its request fixes, so that a second attempt ends when the first would have. */
async function run(ctx: EngineContext, fixture: EngineFixture, program: Program): Promise<Json> {
  switch (program.type) {
    case "step": {
      const endAtMs = ctx.now() + program.durationMs;
      return await ctx.step({ kind: "code", name: program.name }, async () => {
        await sleep(fixture.clock, Math.max(0, endAtMs - fixture.clock.now()));
        if (program.isFailing) throw new Error(`${program.name} fails`);
        return value(`${program.name} ${program.durationMs}`);
      });
    }
    case "sleep":
      return (await ctx.wait({ name: program.name, reason: "timer", timeoutMs: program.durationMs })).by;
    case "child": {
      const end = await ctx.child({ kind: "child", name: "child" }, newTask(fixture, { source: program.name, input: program.program as unknown as Json }));
      return end.status === "done" ? end.output : end.status;
    }
    case "sequence": {
      const values: Json[] = [];
      for (const part of program.parts) values.push(await run(ctx, fixture, part).catch((error: unknown) => messageOf(error)));
      return [...values, ctx.now(), ctx.random()];
    }
    case "all":
      return await Promise.all(program.parts.map((part) => run(ctx, fixture, part)));
    case "race":
      return await Promise.race(program.parts.map((part) => run(ctx, fixture, part)));
    case "allSettled": {
      const ends = await Promise.allSettled(program.parts.map((part) => run(ctx, fixture, part)));
      return ends.map((end) => (end.status === "fulfilled" ? end.value : messageOf(end.reason)));
    }
  }
}

const suite = sqliteSuite({ recoveriesMax: 1_000, recoveriesWithoutProgressMax: 1_000 });

/** Turns that let everything happen that can happen at one instant. */
const turnsPerInstant = 250;

/** Runs the program to its end. `crashes` says after how many turns of an instant the engine is abandoned, null for never. */
async function story(program: Program, crashes: () => number | null): Promise<{ readonly text: string; readonly crashCount: number }> {
  let fixture: EngineFixture = await suite.create();
  let crashCount = 0;
  const begin = async (): Promise<void> => {
    const current = fixture;
    const execute: Execute = async (ctx) => done(await run(ctx, current, ctx.task.input as unknown as Program));
    await current.engine.run([agentA], execute);
  };
  const settle = async (): Promise<void> => {
    for (let crashAfter = crashes(); crashAfter !== null; crashAfter = crashes()) {
      for (let turn = 0; turn < crashAfter; turn++) await macrotask();
      crashCount++;
      fixture = await suite.crash(fixture);
      await begin();
    }
    for (let turn = 0; turn < turnsPerInstant; turn++) await macrotask();
  };
  await begin();
  const root = newTask(fixture, { id: `root`, input: program as unknown as Json, source: "root", deadlineAtMs: Number.MAX_SAFE_INTEGER });
  await fixture.engine.start(root);
  for (let instant = 0; instant < 500; instant++) {
    await settle();
    const task = await fixture.engine.get(root.id);
    if (task !== null && isEnded(task.status)) return { text: await tell(fixture), crashCount };
    await fixture.clock.advanceToNext(async () => undefined);
  }
  throw new Error("The program does not end.");
}

/** All that is left behind: every task by its place in the program, with its end and its journal. What a crash may change (ids, attempts, starts) is left out. */
async function tell(fixture: EngineFixture): Promise<string> {
  const tasks = await fixture.engine.list({ limit: 10_000 });
  const lines = tasks.map(async (task) => {
    const steps = task.runId === null ? [] : await fixture.engine.steps(task.runId);
    const journal = steps.map(({ seq, number, kind, name, occurrence, completedAtMs, outcome }) => `${seq} ${number} ${kind} ${name} ${occurrence} ${completedAtMs} ${canonicalJson(outcome as unknown as Json)}`);
    const end = task.end?.status === "done" ? canonicalJson(task.end.output) : String(task.end?.status);
    return `${task.source}: ${task.status} at ${task.endedAtMs} ${end.replaceAll(/0\.\d{6,}/g, "chance")}\n  ${journal.join("\n  ").replaceAll(/0\.\d{6,}/g, "chance")}`;
  });
  return (await Promise.all(lines)).toSorted().join("\n");
}

describe("random programs", () => {
  afterAll(() => suite.destroy());

  it.each(Array.from({ length: 24 }, (_, index) => index + 1))("E2 E3 E5 E8 program %i ends as it does uninterrupted, wherever the engine is killed", { timeout: 60_000 }, async (seed) => {
    const random = seededRandom(`program ${seed}`);
    const program: Program = { type: "sequence", parts: [randomProgram(random, 3, "p"), randomProgram(random, 3, "q"), randomProgram(random, 2, "r")] };
    const chance = random.split("crashes");

    const plain = await story(program, () => null);
    const crashed = await story(program, () => (chance.next() < 0.25 ? integerBetween(chance, 0, 60) : null));

    expect(crashed.text, `SEED=${seed} after ${crashed.crashCount} crashes`).toBe(plain.text);
  });
});
