import { afterAll, expect, it } from "vitest";
import { agentA, code, createGate, done, newTask, until } from "../engine-fixture.testsuite.ts";
import type { Execute } from "../engine.ts";
import { restateSuite, type RestateFixture } from "./restate-fixture.testsuite.ts";

const suite = restateSuite();
afterAll(() => suite.destroy());

it("goes on with its activation after a crash, when code has not changed and waited for nothing but what ended in memory", async () => {
  const first = (await suite.create()) as RestateFixture;
  const beside = createGate();
  let hanging = 0;
  let isCut = false;
  const execute: Execute = async (ctx) => {
    // While it executes the run stays in memory, and code rests on the wait alone when it has ended.
    await Promise.all([code(ctx, "beside", () => beside.opened.then(() => null)), ctx.wait({ name: "word", reason: "human", signal: "word" })]);
    return done(await code(ctx, "hangs", async () => {
      hanging++;
      return isCut ? "over" : await new Promise<null>(() => undefined);
    }));
  };
  await first.engine.run([agentA], execute);
  const { taskId } = await first.engine.start(newTask(first));
  const waits = async (): Promise<boolean> => (await first.observer.get("SELECT 1 AS one FROM lh_wait WHERE name = 'word'")) !== undefined;
  await until(waits, "it waits");
  // Its answer is kept after the step has ended, and before the run can leave memory.
  const signaled: Promise<boolean>[] = [];
  await first.observer.transaction(async (tx) => {
    await tx.run("SELECT 1 FROM lh_task WHERE id = $1 FOR UPDATE", taskId);
    const locked = async (): Promise<number> => Number((await tx.get("SELECT count(*) AS n FROM pg_locks WHERE NOT granted"))?.["n"]);
    signaled.push(first.engine.signal(String((await first.engine.get(taskId))?.runId), "word", "go", "1"));
    await until(async () => (await locked()) === 1, "its answer is kept");
    beside.open();
    await until(async () => (await locked()) === 2, "it is to leave memory");
  });
  expect(await Promise.all(signaled)).toEqual([true]);
  await until(() => hanging === 1, "it hangs");
  isCut = true;

  const second = (await suite.crash(first)) as RestateFixture;
  await second.engine.run([agentA], execute);

  expect(await second.engine.result(taskId)).toMatchObject({ status: "done", output: "over" });
  expect(await second.observer.get("SELECT activation, attempt FROM lh_task WHERE id = $1", taskId)).toEqual({ activation: 1, attempt: 2 });
});
