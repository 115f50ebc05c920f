import { afterAll, expect, it } from "vitest";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import { agentA, createGate, done, newTask, record, until, value } from "../engine-fixture.testsuite.ts";
import type { Execute } from "../engine.ts";
import { restateSuite, type RestateFixture } from "./restate-fixture.testsuite.ts";

const suite = restateSuite();
afterAll(() => suite.destroy());

const tasks = 60;

it("lets runs that were in a crash store their facts and end in any order: no transaction dies of another", async () => {
  const first = (await suite.create()) as RestateFixture;
  let begun = 0;
  const never = createGate();
  await first.engine.run([agentA], async (ctx) => done(await ctx.step({ kind: "code", name: "hang" }, async () => {
    begun++;
    await never.opened;
    return value(null);
  })));
  const started = await Promise.all(Array.from({ length: tasks }, () => first.engine.start(newTask(first))));
  await until(() => begun === tasks, "all execute");

  const second = (await suite.crash(first)) as RestateFixture;
  // The end comes while the facts of the step are being stored: both store them, and both touch the task.
  const program: Execute = async (ctx) => done(await ctx.step({ kind: "code", name: "hang" }, async () => value(null, [record(ctx.runId)])));
  await second.engine.run([agentA], program);
  await until(async () => (await second.engine.list({ statuses: ["done"] })).length === tasks, "all are done");

  expect((await second.engine.list({ statuses: ["done"] })).every(({ recoveries }) => recoveries === 1)).toBe(true);
  expect(await second.recorded()).toHaveLength(started.length);
  await suite.destroy();
  const name = new URL(first.place.url).pathname.slice(1);
  expect(await (await sharedPostgres()).query(`SELECT deadlocks FROM pg_stat_database WHERE datname = '${name}'`)).toEqual([{ deadlocks: "0" }]);
});
