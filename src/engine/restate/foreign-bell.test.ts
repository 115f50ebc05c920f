import { afterAll, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { agentA, code, createGate, done, newTask, until } from "../engine-fixture.testsuite.ts";
import { sharedRestate } from "./fixture/restate-server.ts";
import { RestateClient } from "./restate-client.ts";
import { restateSuite, type RestateFixture } from "./restate-fixture.testsuite.ts";

const suite = restateSuite();
afterAll(() => suite.destroy());

it("a wait that somebody ends in Restate, by something that is no step, ends no process: its run goes on with another journal, and waits", async () => {
  const fixture = (await suite.create()) as RestateFixture;
  const executing = createGate();
  await fixture.engine.run([agentA], async (ctx) => {
    await Promise.all([code(ctx, "executes", async () => await executing.opened.then(() => null)), ctx.wait({ name: "nap", reason: "timer", timeoutMs: 3_600_000 })]);
    return done(null);
  });
  const { taskId } = await fixture.engine.start(newTask(fixture));
  let awakeable = "";
  await until(async () => (awakeable = String((await fixture.observer.all("SELECT awakeable FROM lh_wait"))[0]?.["awakeable"] ?? "")) !== "", "it waits");

  await new RestateClient(await sharedRestate(), systemClock).resolveAwakeable(awakeable, "null");
  await until(async () => (await fixture.observer.all("SELECT activation FROM lh_task"))[0]?.["activation"] === 2, "it goes on");
  executing.open();

  await until(async () => (await fixture.engine.get(taskId))?.status === "waiting", "it waits again");
  expect((await fixture.observer.all("SELECT awakeable FROM lh_wait WHERE awakeable <> $1", awakeable)).length).toBe(1);
  expect(await fixture.engine.get(taskId)).toMatchObject({ recoveries: 0 });
});
