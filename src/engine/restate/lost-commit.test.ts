import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createLosingProxy, type LosingProxy } from "../../db/fixture/losing-proxy.ts";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import { agentA, done, newTask } from "../engine-fixture.testsuite.ts";
import { restateSuite, type RestateFixture } from "./restate-fixture.testsuite.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

/** The engine reaches PostgreSQL by this way only. */
let proxy: LosingProxy;
const suite = restateSuite({ way: async (url) => url.replace(String((await sharedPostgres()).port), String(proxy.port)) });
beforeAll(async () => {
  proxy = await createLosingProxy((await sharedPostgres()).port);
});
afterAll(async () => {
  await suite.destroy();
  await proxy.close();
});

describe("a transaction of durable code whose COMMIT took effect and whose answer was lost", () => {
  it.each([1, 2])("is done once, when so many answers are lost one after the other: %d", async (lost) => {
    const fixture = (await suite.create()) as RestateFixture;
    await fixture.observer.exec("CREATE TABLE payment (cents int)");
    let bodies = 0;
    await fixture.engine.run([agentA], async (ctx) =>
      done(await ctx.transaction({ kind: "code", name: "pay" }, async (tx) => {
        await tx.run("INSERT INTO payment (cents) VALUES (?)", 5);
        if (++bodies === 1) proxy.loseCommits((commit) => commit <= lost);
        return bodies;
      })),
    );

    const { taskId } = await fixture.engine.start(newTask(fixture));

    expect(await fixture.engine.result(taskId)).toMatchObject({ status: "done", output: 1 });
    expect(proxy.commits).toBeGreaterThan(lost);
    expect(await fixture.observer.all("SELECT cents FROM payment")).toEqual([{ cents: 5 }]);
    expect(bodies).toBe(1);
  });
});
