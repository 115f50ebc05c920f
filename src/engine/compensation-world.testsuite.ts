import { expect } from "vitest";
import type { Json } from "../base/json.ts";
import type { EngineContext, Execute } from "./engine.ts";
import { code, done, value, type EngineFixture } from "./engine-fixture.testsuite.ts";

export interface World {
  readonly log: string[];
  /** Names of compensations that fail. */
  readonly failing: Set<string>;
  /** What the code does after its two steps. */
  rest: (ctx: EngineContext) => Promise<Json>;
  /** Awaited by each compensation before it is done. */
  undo: (name: string) => Promise<void>;
}

export const world = (rest: World["rest"]): World => ({ log: [], failing: new Set(), rest, undo: () => Promise.resolve() });

/** Registers `undo b` after `undo a`, with a step behind each; undoes both, last to first, and fails with those that failed. */
export function saga(world: World): Execute {
  return async (ctx) => {
    const registered: string[] = [];
    const register = async (name: string): Promise<void> => {
      await ctx.step({ kind: "compensate", name }, () => Promise.resolve(value(null)));
      registered.push(name);
    };
    const logged = (name: string): Promise<Json> => code(ctx, name, () => {
      world.log.push(name);
      return `${name} ${ctx.now()}`;
    });
    const seen: Json[] = [];
    const work = async (): Promise<Json> => {
      await register("undo a");
      seen.push(await logged("a"), ctx.random());
      await register("undo b");
      seen.push(await logged("b"), ctx.random());
      world.log.push(`seen ${JSON.stringify(seen)}`);
      return await world.rest(ctx);
    };
    if (ctx.unwinding === null) return done(await work());
    await Promise.race([ctx.unwinding.arrived, work().catch(() => undefined)]);
    const failures: string[] = [];
    for (const name of registered.toReversed()) {
      const undone = ctx.step({ kind: "compensation", name }, async ({ idempotencyKey, signal }) => {
        world.log.push(`${name} ${idempotencyKey.replace(ctx.task.id.slice(2), "RUN")} ${signal.aborted}`);
        await world.undo(name);
        if (world.failing.has(name)) throw new Error("no");
        return value(null);
      });
      await undone.catch(() => failures.push(name));
    }
    if (failures.length > 0) throw new Error(`not undone: ${failures.join(", ")}`);
    return done([...ctx.unwinding.registered]);
  };
}

export const undoA = "undo a RUN/compensation/undo a/1 false";
export const undoB = "undo b RUN/compensation/undo b/1 false";

/** Without what the code saw, which is compared by itself. */
export function logOf({ log }: World): readonly string[] {
  const seen = log.filter((line) => line.startsWith("seen "));
  expect(new Set(seen).size).toBeLessThanOrEqual(1);
  return log.filter((line) => !line.startsWith("seen "));
}

export async function compensationOf({ engine }: EngineFixture, taskId: string): Promise<string> {
  return `c_${(await engine.get(taskId))?.runId}`;
}
