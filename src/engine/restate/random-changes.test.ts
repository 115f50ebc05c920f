import { afterAll, describe, expect, it, vi } from "vitest";
import { sleep, systemClock } from "../../base/clock.ts";
import { integerBetween, seededRandom, type Random } from "../../base/random.ts";
import { agentA, code, done, newTask } from "../engine-fixture.testsuite.ts";
import type { EngineContext, Execute } from "../engine.ts";
import { restateSuite, type RestateFixture } from "./restate-fixture.testsuite.ts";

// restatedev/sdk-typescript#656 and unkeyed#4979: a journal that a new version does not match (570), and stays stuck.
vi.setConfig({ testTimeout: 90_000 });

const livesMax = 12;
const suite = restateSuite({ limits: { recoveriesWithoutProgressMax: livesMax, recoveriesIsolatedAbove: livesMax } });
afterAll(() => suite.destroy());

/** What code was told by any of its processes: a step must have come to one thing, for all of them. */
class Witness {
  readonly differences: string[] = [];
  readonly #told = new Map<string, string>();

  note(what: string, told: string): void {
    const before = this.#told.get(what) ?? told;
    if (before !== told) this.differences.push(`${what} was ${before} and is ${told}`);
    this.#told.set(what, told);
  }
}

interface Life {
  readonly number: number;
  readonly random: Random;
  readonly witness: Witness;
  readonly isOver: () => boolean;
}

/** Three branches of races, waits and steps. Who wins decides which step follows. A version differs from others in the order in which it asks. */
function racing(version: number, { number, random, witness, isOver }: Life): Execute {
  const turned = <T>(all: readonly T[]): readonly T[] => [...all.slice(version % all.length), ...all.slice(0, version % all.length)];
  const step = async (ctx: EngineContext, name: string): Promise<string> => {
    const told = String(await code(ctx, name, async () => {
      await sleep(systemClock, integerBetween(random, 0, 6));
      return `of life ${number}`;
    }));
    if (!isOver()) witness.note(`${ctx.task.id} ${name}`, told);
    return name;
  };
  const branch = async (ctx: EngineContext, name: string): Promise<void> => {
    for (let round = 1; round <= 5; round++) {
      const all = turned(["x", "y", "z"]).map((racer) => step(ctx, `${name}${round}${racer}`));
      const winner = await Promise.race(all);
      if (!isOver()) witness.note(`${ctx.task.id} winner of ${name}${round}`, winner);
      await step(ctx, `behind ${winner}`);
      await ctx.wait({ name: `nap ${name}${round}`, reason: "timer", timeoutMs: 1 });
      await Promise.all(all);
    }
  };
  return async (ctx) => {
    await Promise.all(turned(["a", "b", "c"]).map((name) => branch(ctx, name)));
    return done(null);
  };
}

/** Lets time pass, on the engine's clock and without, until the condition holds. */
async function passUntil({ clock }: RestateFixture, condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    await clock.advance(1, () => Promise.resolve());
    await sleep(systemClock, 3);
  }
}

describe("processes that die one after the other, each with other code than the one before it", () => {
  it.each([["that says so", 1], ["that says so", 2], ["that does not say so", 3]])("all tell code the same of each step, and end its runs: code %s, seed %i", async (says, seed) => {
    const random = seededRandom(`changes ${seed}`);
    const witness = new Witness();
    let living = 1;
    const begin = async ({ engine }: RestateFixture, number: number): Promise<void> => {
      const version = integerBetween(random, 1, 6);
      const life = { number, random: random.split(`life ${number}`), witness, isOver: () => number !== living };
      await engine.run([{ ...agentA, version: says === "that says so" ? String(version) : "1" }], racing(version, life));
    };
    let fixture = (await suite.create()) as RestateFixture;
    await begin(fixture, 1);
    const started = await Promise.all([1, 2].map(() => fixture.engine.start(newTask(fixture))));
    for (living = 1; living < livesMax; ) {
      const crashAtMs = systemClock.monotonicMs() + integerBetween(random, 20, 150);
      await passUntil(fixture, () => Promise.resolve(systemClock.monotonicMs() >= crashAtMs));
      living++;
      fixture = (await suite.crash(fixture)) as RestateFixture;
      await begin(fixture, living);
    }

    const tasks = () => Promise.all(started.map(({ taskId }) => fixture.engine.get(taskId)));
    await passUntil(fixture, async () => (await tasks()).every((task) => task?.end !== null || task.waitingReason === "code-mismatch"));

    expect((await tasks()).map((task) => task?.status)).toEqual(["done", "done"]);
    expect(witness.differences).toEqual([]);
  });
});
