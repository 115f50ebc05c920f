import { sleep } from "../../base/clock.ts";
import { messageOf } from "../../base/error.ts";
import type { Json } from "../../base/json.ts";
import { integerBetween, type Random } from "../../base/random.ts";
import type { EngineContext } from "../engine.ts";
import { newTask, value, type EngineFixture } from "../engine-fixture.testsuite.ts";

/** Durable code as data. */
export type Program =
  | { readonly type: "step"; readonly name: string; readonly durationMs: number; readonly isFailing: boolean }
  | { readonly type: "sleep"; readonly name: string; readonly durationMs: number }
  | { readonly type: "child"; readonly name: string; readonly program: Program }
  | { readonly type: "sequence" | "all" | "race" | "allSettled"; readonly parts: readonly Program[] };

export function randomProgram(random: Random, depth: number, path: string): Program {
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
export async function runProgram(ctx: EngineContext, fixture: EngineFixture, program: Program, onExecute: (key: string) => void = () => undefined): Promise<Json> {
  switch (program.type) {
    case "step": {
      const endAtMs = ctx.now() + program.durationMs;
      return await ctx.step({ kind: "code", name: program.name }, async ({ idempotencyKey }) => {
        onExecute(idempotencyKey);
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
      for (const part of program.parts) values.push(await runProgram(ctx, fixture, part, onExecute).catch((error: unknown) => messageOf(error)));
      return [...values, ctx.now(), ctx.random()];
    }
    case "all":
      return await Promise.all(program.parts.map((part) => runProgram(ctx, fixture, part, onExecute)));
    case "race":
      return await Promise.race(program.parts.map((part) => runProgram(ctx, fixture, part, onExecute)));
    case "allSettled": {
      const ends = await Promise.allSettled(program.parts.map((part) => runProgram(ctx, fixture, part, onExecute)));
      return ends.map((end) => (end.status === "fulfilled" ? end.value : messageOf(end.reason)));
    }
  }
}
