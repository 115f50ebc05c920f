import { afterAll, describe, expect, it } from "vitest";
import type { Write } from "../../record/write.ts";
import { agentA, createGate, done, newTask, record, until, value } from "../engine-fixture.testsuite.ts";
import { queryRestate, sharedRestate } from "./fixture/restate-server.ts";
import { serviceNames } from "./service-names.ts";
import { restateSuite, type RestateFixture } from "./restate-fixture.testsuite.ts";

const suite = restateSuite();
afterAll(() => suite.destroy());

/** What others see is stored by PostgreSQL before Restate knows of it; a fact is Restate's first, and PostgreSQL is asked when the run ends. */
const kinds: readonly (readonly [string, Write])[] = [
  ["when a step ends", { type: "key.claim", key: "k", taskId: "t", atMs: 0, expiresAtMs: Number.MAX_SAFE_INTEGER }],
  ["when the run ends", record("fact")],
];

describe("an attempt that Restate goes on with, though PostgreSQL holds that another one was begun", () => {
  it.each(kinds)("is given back %s: Restate calls again, and the task is done", async (_, write) => {
    const fixture = (await suite.create()) as RestateFixture;
    const gate = createGate();
    let executed = 0;
    await fixture.engine.run([agentA], async (ctx) =>
      done(await ctx.step({ kind: "code", name: "work" }, async () => {
        executed++;
        await gate.opened;
        return value("worked", [write]);
      })),
    );
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(() => executed === 1, "the step executes");

    // As a call does that Restate had given up and that came late.
    await fixture.observer.run("UPDATE lh_task SET attempt = attempt + 1 WHERE id = $1", taskId);
    gate.open();

    expect(await fixture.engine.result(taskId)).toMatchObject({ status: "done", output: "worked" });
    expect(fixture.faults).toEqual([]);
  });
});

describe("an attempt that was cut off while steps executed side by side, of a task that was canceled meanwhile", () => {
  it("is over for Restate too", async () => {
    const first = (await suite.create()) as RestateFixture;
    const never = createGate();
    let executing = 0;
    const step = async () => {
      executing++;
      await never.opened;
      return value(null);
    };
    await first.engine.run([agentA], async (ctx) => {
      await Promise.all(["a", "b", "c"].map((name) => ctx.step({ kind: "code", name }, step)));
      return done(null);
    });
    const { taskId } = await first.engine.start(newTask(first));
    await until(() => executing === 3, "all three execute");

    const second = (await suite.crash(first)) as RestateFixture;
    await second.engine.cancel(taskId, "test");
    await second.engine.run([agentA], async () => done(null));

    const { runs } = serviceNames(second.place.team);
    await expect.poll(() => listOpen(runs), { timeout: 40_000 }).toEqual([]);
  });
});

/** What Restate has not ended of a service. */
async function listOpen(service: string): Promise<readonly unknown[]> {
  const query = `SELECT id, status, last_failure FROM sys_invocation WHERE target_service_name = '${service}' AND status <> 'completed'`;
  return await queryRestate((await sharedRestate()).admin, query);
}
