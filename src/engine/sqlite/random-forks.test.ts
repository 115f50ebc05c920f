import { afterAll, describe, expect, it } from "vitest";
import { integerBetween, type Random, seededRandom } from "../../base/random.ts";
import { macrotask } from "../../base/turn.ts";
import { isEnded, type Task } from "../../record/task.ts";
import type { EngineAgent } from "../engine.ts";
import { agentA, done, newTask, type EngineFixture } from "../engine-fixture.testsuite.ts";
import { keyOf } from "../journaled-step.ts";
import { type Program, randomProgram, runProgram } from "./random-program.testsuite.ts";
import { sqliteSuite } from "./sqlite-fixture.testsuite.ts";

const suite = sqliteSuite();
const turnsPerInstant = 250;

interface World {
  readonly fixture: EngineFixture;
  /** The idempotency keys of the bodies that this engine executed. */
  readonly executed: string[];
}

/** Runs the agent on this engine; a root task executes what it is told, in place of its input. */
async function begin(fixture: EngineFixture, agent: EngineAgent, root: Program): Promise<World> {
  const executed: string[] = [];
  await fixture.engine.run([agent], async (ctx) => {
    const program = ctx.task.source === "root" ? root : (ctx.task.input as unknown as Program);
    return done(await runProgram(ctx, fixture, program, (key) => executed.push(key)));
  });
  return { fixture, executed };
}

/** Lets instants pass until the task is over or parked, at most so many. */
async function goOn({ fixture }: World, taskId: string, instantsMax = 500): Promise<Task> {
  for (let instant = 0; ; instant++) {
    for (let turn = 0; turn < turnsPerInstant; turn++) await macrotask();
    const task = await fixture.engine.get(taskId);
    if (task === null) throw new Error(`there is no task ${taskId}`);
    if (isEnded(task.status) || task.waitingReason === "code-mismatch" || instant === instantsMax) return task;
    await fixture.clock.advanceToNext(async () => undefined);
  }
}

function newRoot(fixture: EngineFixture): ReturnType<typeof newTask> {
  return newTask(fixture, { source: "root", deadlineAtMs: Number.MAX_SAFE_INTEGER });
}

function randomRoot(random: Random): Extract<Program, { readonly parts: readonly Program[] }> {
  return { type: "sequence", parts: [randomProgram(random, 3, "p"), randomProgram(random, 2, "q"), randomProgram(random, 2, "r")] };
}

interface Parked {
  readonly world: World;
  readonly task: Task;
  /** The idempotency keys of the steps that the journal held when the code was changed. */
  readonly held: ReadonlySet<string>;
}

/** Draws programs until one is parked that lost its first part: others were over by then, or had not come so far. */
async function parkedProgram(seed: number): Promise<Parked> {
  for (let draw = 1; draw <= 20; draw++) {
    const random = seededRandom(`skip ${seed} ${draw}`);
    const root = randomRoot(random);
    const before = await begin(await suite.create(), agentA, root);
    const started = newRoot(before.fixture);
    await before.fixture.engine.start(started);
    const { status, runId } = await goOn(before, started.id, integerBetween(random, 1, 12));
    if (isEnded(status)) continue;
    const journal = await before.fixture.engine.steps(String(runId));
    const changed: Program = { ...root, parts: root.parts.slice(1) };
    const world = await begin(await suite.crash(before.fixture), { ...agentA, version: "2" }, changed);
    const task = await goOn(world, started.id);
    if (task.waitingReason === "code-mismatch") return { world, task, held: new Set(journal.map((step) => `${runId}/${keyOf(step)}`)) };
  }
  throw new Error(`SEED=${seed}: none of twenty programs was parked`);
}

describe("random programs", () => {
  afterAll(() => suite.destroy());

  it.each(Array.from({ length: 20 }, (_, index) => index + 1))("E13 program %i forked from any step begins with what it was, and executes nothing of it", async (seed) => {
    const random = seededRandom(`fork ${seed}`);
    const world = await begin(await suite.create(), agentA, randomRoot(random));
    const { engine } = world.fixture;
    const first = newRoot(world.fixture);
    await engine.start(first);
    const origin = String((await goOn(world, first.id)).runId);
    const steps = await engine.steps(origin);
    const below = integerBetween(random, 1, Math.max(...steps.map(({ number }) => number)) + 1);
    const prefix = steps.filter(({ number }) => number < below);
    const second = newRoot(world.fixture);

    await engine.start(second, { prefix: { runId: origin, below } });
    const forked = await goOn(world, second.id);

    expect(forked.status, `SEED=${seed}`).toBe("done");
    const taken = await engine.steps(String(forked.runId));
    expect(taken.slice(0, prefix.length).map(({ kind, name, occurrence, outcome }) => ({ kind, name, occurrence, outcome })), `SEED=${seed}`).toEqual(prefix.map(({ kind, name, occurrence, outcome }) => ({ kind, name, occurrence, outcome })));
    expect(taken.filter(({ attempt }) => attempt === 0), `SEED=${seed}`).toHaveLength(prefix.length);
    const again = new Set(world.executed.filter((key) => key.startsWith(`${forked.runId}/`)));
    expect(prefix.map((step) => `${forked.runId}/${keyOf(step)}`).filter((key) => again.has(key)), `SEED=${seed}`).toEqual([]);
  });

  it.each(Array.from({ length: 20 }, (_, index) => index + 1))("E13 program %i that lost a part goes on by skipping, and executes nothing that its journal holds", async (seed) => {
    const { world, task, held } = await parkedProgram(seed);
    let now = task;
    let skips = 0;
    // Once, and again for each call in flight that is not asked for any more.
    for (; now.waitingReason === "code-mismatch" && skips < 5; skips++) {
      await world.fixture.engine.skip(task.id);
      now = await goOn(world, task.id);
    }

    expect(skips, `SEED=${seed}`).toBeGreaterThan(0);
    expect([now.status, now.waitingReason], `SEED=${seed}`).toEqual(["done", null]);
    expect(world.executed.filter((key) => held.has(key)), `SEED=${seed}`).toEqual([]);
  });
});

