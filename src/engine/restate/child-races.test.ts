import { afterAll, describe, expect, it, vi } from "vitest";
import type { Json } from "../../base/json.ts";
import type { EngineContext } from "../engine.ts";
import { agentA, done, newTask, until } from "../engine-fixture.testsuite.ts";
import { restateSuite, type RestateFixture } from "./restate-fixture.testsuite.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

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
