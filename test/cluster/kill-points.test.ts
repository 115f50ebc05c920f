import { afterAll, describe, expect, it, vi } from "vitest";
import { createLosingProxy, type LosingProxy } from "../../src/db/fixture/losing-proxy.ts";
import type { Json } from "../../src/base/json.ts";
import type { TaskEnd } from "../../src/record/task.ts";
import { agentA, code, createGate, done, newTask, runToEnd, value } from "../../src/engine/engine-fixture.testsuite.ts";
import type { EngineContext, Execute } from "../../src/engine/engine.ts";
import { restateSuite, type RestateFixture } from "../../src/engine/restate/restate-fixture.testsuite.ts";

vi.setConfig({ testTimeout: 180_000 });

/** Each engine reaches PostgreSQL by a way of its own, which dies with its process. */
const ways: LosingProxy[] = [];
const suite = restateSuite({
  async way(url) {
    const there = new URL(url);
    const proxy = await createLosingProxy(Number(there.port));
    ways.push(proxy);
    there.port = String(proxy.port);
    return there.href;
  },
});
afterAll(async () => {
  await suite.destroy();
  for (const way of ways) await way.close();
});

/** Every so many kill points. 1 takes them all, in 45 s. */
const stride = 3;

interface Story {
  readonly execute: Execute;
  /** What must be true at the end, however often the process died. */
  readonly check: (fixture: RestateFixture, end: TaskEnd, taskId: string) => Promise<void>;
}

/** Tells the story once undisturbed, then once for each commit with a process that dies before or after it. Returns how many commits it has. */
async function killEverywhere({ execute, check }: Story): Promise<number> {
  const tell = async (death: { readonly commit: number; readonly what: "before" | "after" } | null): Promise<number> => {
    let fixture = (await suite.create()) as RestateFixture;
    const way = ways.at(-1);
    const died = createGate();
    way?.dieAt(death?.commit ?? -1, death?.what ?? "before", () => died.open());
    const task = newTask(fixture);
    const live = async (): Promise<TaskEnd> => {
      await fixture.engine.run([agentA], execute);
      await fixture.engine.start(task);
      const end = await runToEnd(fixture, task.id);
      const after = `c_${(await fixture.engine.get(task.id))?.runId}`;
      if ((await fixture.engine.get(after)) !== null) await runToEnd(fixture, after);
      return end;
    };
    const first = live().catch((error: unknown) => error);
    const end = await Promise.race([first, died.opened.then(() => null)]);
    const commits = way?.commits ?? 0;
    if (end === null) {
      fixture = (await suite.crash(fixture)) as RestateFixture;
      await check(fixture, await live(), task.id);
    } else await check(fixture, end as TaskEnd, task.id);
    return commits;
  };
  const commits = await tell(null);
  const points = Array.from({ length: commits * 2 }, (_, index) => ({ commit: Math.floor(index / 2) + 1, what: index % 2 === 0 ? "before" : "after" } as const));
  for (const point of points.filter((_, index) => index % stride === 0)) {
    await tell(point).catch((error: unknown) => {
      throw new Error(`killed ${point.what} commit ${point.commit}`, { cause: error });
    });
  }
  return commits;
}

const tables = (ctx: EngineContext): Promise<Json> =>
  ctx.transaction({ kind: "transaction", name: "tables" }, async (tx) => {
    await tx.run("CREATE TABLE IF NOT EXISTS transfer (run TEXT NOT NULL, amount INTEGER NOT NULL)");
    return null;
  });
const transfer = (ctx: EngineContext, amount: number): Promise<Json> =>
  ctx.transaction({ kind: "transaction", name: "transfer" }, async (tx) => {
    await tx.run("INSERT INTO transfer (run, amount) VALUES (?, ?)", ctx.runId, amount);
    if (amount < 0) throw new Error("no debts");
    return amount;
  });

describe("a process that dies before or after any commit on PostgreSQL", () => {
  it("keeps what a transaction wrote exactly when its step is kept, once", async () => {
    const commits = await killEverywhere({
      execute: async (ctx) => {
        await tables(ctx);
        const asked = await code(ctx, "ask", () => 5);
        const refused = await transfer(ctx, -1).catch((error: unknown) => (error as Error).message);
        return done([refused, await transfer(ctx, Number(asked)), await code(ctx, "thank", () => "thanks")]);
      },
      async check({ observer, engine }, end, taskId) {
        expect(end).toMatchObject({ status: "done", output: ["no debts", 5, "thanks"] });
        const { runId } = (await engine.get(taskId)) ?? {};
        expect(await observer.all("SELECT run, amount FROM transfer")).toEqual([{ run: runId, amount: 5 }]);
      },
    });
    expect(commits).toBeGreaterThan(5);
  });

  it("undoes what an ended run registered, each once committed and all of it", async () => {
    const commits = await killEverywhere({
      execute: async (ctx) => {
        const registered: string[] = [];
        const register = async (name: string): Promise<void> => {
          await ctx.step({ kind: "compensate", name }, () => Promise.resolve(value(null)));
          registered.push(name);
        };
        const work = async (): Promise<never> => {
          await tables(ctx);
          await register("a");
          await transfer(ctx, 5);
          await register("b");
          await code(ctx, "ask", () => null);
          throw new Error("broken");
        };
        if (ctx.unwinding === null) return await work();
        await Promise.race([ctx.unwinding.arrived, work().catch(() => undefined)]);
        for (const name of registered.toReversed()) {
          await ctx.transaction({ kind: "compensation", name }, async (tx) => (await tx.run("INSERT INTO transfer (run, amount) VALUES (?, ?)", name, 0)).changes);
        }
        return done([...registered]);
      },
      async check({ observer, engine }, end, taskId) {
        expect(end).toMatchObject({ status: "dead", reason: "failed" });
        const { runId } = (await engine.get(taskId)) ?? {};
        expect(await observer.all("SELECT run, amount FROM transfer")).toEqual([{ run: runId, amount: 5 }, { run: "b", amount: 0 }, { run: "a", amount: 0 }]);
        expect(await engine.get(`c_${String(runId)}`)).toMatchObject({ status: "done", end: { output: ["a", "b"] } });
      },
    });
    expect(commits).toBeGreaterThan(8);
  });
});
