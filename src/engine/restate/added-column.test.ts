import { afterAll, expect, it } from "vitest";
import { agentA, done, newTask, record, value } from "../engine-fixture.testsuite.ts";
import type { Execute } from "../engine.ts";
import { restateSuite, type RestateFixture } from "./restate-fixture.testsuite.ts";

const suite = restateSuite();
afterAll(() => suite.destroy());

/** Steps of all kinds: what others see, what they do not, user SQL, a child, a signal. */
const execute: Execute = async (ctx) => {
  const { id, input, deadlineAtMs } = ctx.task;
  if (input === "child") return done("called");
  if (input === "hold") await ctx.wait({ name: "hold", reason: "human", signal: "never" });
  await ctx.step({ kind: "code", name: "claim" }, async () => value(null, [{ type: "key.claim", key: id, taskId: id, atMs: 0, expiresAtMs: Number.MAX_SAFE_INTEGER }]));
  await ctx.step({ kind: "code", name: "record" }, async () => value(null, [record(id)]));
  await ctx.transaction({ kind: "code", name: "sql" }, async (tx) => (await tx.run("DELETE FROM test_key WHERE key = ? RETURNING *", id)).changes);
  const child = { id: `${id}c`, agent: "a", input: "child", key: null, priority: 0, notBeforeAtMs: 0, deadlineAtMs, depth: 1, source: "test" };
  await ctx.child({ kind: "child", name: "child" }, child);
  await ctx.wait({ name: "go", reason: "human", signal: "go" });
  return done("all");
};

let keys = 0;

/** A day of a few tasks and of those who look after them. */
async function use(fixture: RestateFixture): Promise<readonly unknown[]> {
  const { engine } = fixture;
  return await Promise.all(Array.from({ length: 6 }, async () => {
    const { taskId } = await engine.start(newTask(fixture, { key: `k${++keys}` }));
    const held = (await engine.start(newTask(fixture, { input: "hold" }))).taskId;
    for (let isHeard = false; !isHeard; ) {
      const runId = (await engine.get(taskId))?.runId ?? null;
      isHeard = runId !== null && (await engine.signal(runId, "go", null, "s"));
    }
    const { status } = await engine.result(taskId);
    const first = await engine.cancel(held, "first");
    await engine.restart(held);
    const again = await engine.cancel(held, "again");
    const [run] = await engine.runs(taskId);
    const steps = await engine.steps(String(run?.id));
    return [status, first, again, steps.map(({ outcome }) => outcome.ok), (await engine.list({ agent: "a" })).length > 0, await engine.waits("human").then(() => "read")];
  }));
}

it("goes on where a newer version added a column to each table, while this one runs", async () => {
  const fixture = (await suite.create()) as RestateFixture;
  await fixture.engine.run([agentA], execute);
  const before = await use(fixture);

  const tables = await fixture.observer.all("SELECT relname AS name FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition");
  expect(tables.length).toBeGreaterThan(8);
  for (const { name } of tables) await fixture.observer.exec(`ALTER TABLE ${String(name)} ADD COLUMN added int`);

  expect(await use(fixture)).toEqual(before);
  expect(before[0]).toEqual(["done", true, true, [true, true, true, true, true], true, "read"]);
  expect(fixture.faults).toEqual([]);
});
