import { afterAll, describe, expect, it } from "vitest";
import type { Json } from "../../base/json.ts";
import type { EngineContext } from "../engine.ts";
import { agentA, done, newTask, until } from "../engine-fixture.testsuite.ts";
import { restateSuite, type RestateFixture } from "./restate-fixture.testsuite.ts";

const suite = restateSuite();
afterAll(() => suite.destroy());

/** The transaction that ends this task stays open for a second after all that it reads and writes. */
async function endSlowly({ observer }: RestateFixture, taskId: string): Promise<void> {
  await observer.exec(`
    CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NEW; END';
    CREATE TRIGGER linger BEFORE INSERT ON test_progress FOR EACH ROW WHEN (NEW.id LIKE '${taskId} running>done%') EXECUTE FUNCTION linger()`);
}

describe("a task that was started by somebody else, and is called", () => {
  it("is not missed when it ends just as the caller begins to wait for it", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    let ending = false;
    await fixture.engine.run([agentA, { ...agentA, name: "child" }], async (ctx: EngineContext) => {
      if (ctx.task.agent === "child") {
        ending = true;
        return done("over");
      }
      return done((await ctx.child({ kind: "child", name: "call" }, newTask(fixture, { agent: "child", key: "shared" }))) as unknown as Json);
    });
    const child = newTask(fixture, { agent: "child", key: "shared" });
    await endSlowly(fixture, child.id);
    await fixture.engine.start(child);
    await until(() => ending, "it is about to end");

    const { taskId } = await fixture.engine.start(newTask(fixture));

    await until(async () => (await fixture.engine.get(taskId))?.status === "done", "its caller has heard of it");
    expect(await fixture.engine.result(taskId)).toMatchObject({ output: { status: "done", output: "over", taskId: child.id } });
  });
});

describe("a task that is called", () => {
  it("is not missed when it ends just as the caller, back in memory, goes on to wait for it", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    const { engine, observer } = fixture;
    const released: Record<string, () => void> = {};
    let isBack: () => void = () => undefined;
    const back = new Promise<void>((resolve) => (isBack = resolve));
    let isHeld: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (isHeld = resolve));
    let executions = 0;
    await engine.run([agentA, { ...agentA, name: "child", concurrency: 2 }], async (ctx: EngineContext) => {
      if (ctx.task.agent === "child") {
        await ctx.step({ kind: "code", name: "hold" }, async () => {
          await new Promise<void>((resolve) => (released[String(ctx.task.input)] = resolve));
          return { outcome: { ok: true, value: null } };
        });
        return done(ctx.task.input);
      }
      if (++executions === 2) {
        isBack();
        await held;
      }
      const ends = await Promise.all(["first", "second"].map((input) => ctx.child({ kind: "child", name: input }, newTask(fixture, { agent: "child", input }))));
      return done(ends.map((end) => (end.status === "done" ? end.output : null)));
    });
    const { taskId } = await engine.start(newTask(fixture));
    await until(async () => (await engine.get(taskId))?.status === "waiting" && Object.keys(released).length === 2, "it waits for both");
    released["first"]?.();
    await back;

    // The caller asks for the task to tell it, and is kept from it; then the task ends. Both go on in this order.
    await observer.transaction(async (tx) => {
      await tx.run("SELECT 1 FROM lh_task WHERE id = $1 FOR UPDATE", taskId);
      const waiting = async (): Promise<number> => Number((await tx.get("SELECT count(*) AS n FROM pg_locks WHERE NOT granted"))?.["n"]);
      isHeld();
      await until(async () => (await waiting()) === 1, "the caller is kept");
      released["second"]?.();
      await until(async () => (await waiting()) === 2, "the end of the task is kept");
    });

    await until(async () => (await engine.get(taskId))?.status === "done", "its caller has heard of it");
    expect(await engine.result(taskId)).toMatchObject({ output: ["first", "second"] });
  });
});
