import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { agentA, createGate, done, newTask, until, value, type Gate } from "../../src/engine/engine-fixture.testsuite.ts";
import { defaultEngineLimits } from "../../src/engine/limits.ts";
import { restateSuite, type RestateFixture } from "../../src/engine/restate/restate-fixture.testsuite.ts";
import { type CutProxy, createCutProxy } from "./fixture/cut-proxy.ts";

let link: CutProxy;
const links: CutProxy[] = [];
async function lane(port: number): Promise<number> {
  link = await createCutProxy(port);
  links.push(link);
  return link.port;
}
const suite = restateSuite({ lane });
const impatient = restateSuite({ lane, limits: { uncountedAttemptsMax: 2, recoveriesWithoutProgressMax: 2 } });
afterAll(async () => {
  await suite.destroy();
  await impatient.destroy();
  for (const each of links) await each.close();
});

let fixture: RestateFixture;
let gate: Gate;
let executing: number;
beforeEach(() => serve(suite));

/** An engine of this suite takes tasks whose one step waits for the gate. */
async function serve(of: typeof suite): Promise<void> {
  fixture = (await of.create()) as RestateFixture;
  gate = createGate();
  executing = 0;
  await fixture.engine.run([{ ...agentA, concurrency: 2 }], async (ctx) =>
    done(await ctx.step({ kind: "code", name: "work" }, async ({ signal }) => {
      executing++;
      signal.addEventListener("abort", () => executing--, { once: true });
      await gate.opened;
      return value("worked");
    })),
  );
}

async function start(id: string): Promise<string> {
  return (await fixture.engine.start({ ...newTask(fixture), id })).taskId;
}

/** Breaks all connections between Restate and the worker; new ones are made at once. */
async function breakLink(): Promise<void> {
  link.cut("reset");
  await until(() => executing === 0, "what executes is told");
  link.heal();
}

describe("a link between Restate and a worker that breaks again and again, while the worker lives", () => {
  it("counts no crashes: nothing is given up, and nothing has to wait for its turn", async () => {
    const ids = [await start("t_1"), await start("t_2")];
    const { recoveriesWithoutProgressMax, recoveriesIsolatedAbove } = defaultEngineLimits;

    for (let time = 0; time < recoveriesWithoutProgressMax + 2; time++) {
      await until(() => executing === 2, "both execute, side by side");
      await breakLink();
    }
    await until(() => executing === 2, "both execute, side by side");
    gate.open();

    for (const id of ids) {
      expect(await fixture.engine.result(id)).toMatchObject({ status: "done", output: "worked" });
      // One is counted where Restate calls again before the worker has noted it.
      expect((await fixture.engine.get(id))?.recoveries).toBeLessThanOrEqual(recoveriesIsolatedAbove);
    }
    expect(fixture.faults).toEqual([]);
  });

  it("counts one for what had executed for long: a step that is longer than its connections last is not paid for without end", async () => {
    const id = await start("t_1");
    await until(() => executing === 1, "it executes");
    await fixture.clock.advance(10_000, () => Promise.resolve());

    await breakLink();
    await until(() => executing === 1, "it executes again");
    gate.open();

    expect(await fixture.engine.result(id)).toMatchObject({ status: "done" });
    expect(await fixture.engine.get(id)).toMatchObject({ recoveries: 1 });
  });

  it("counts them from some attempt on: a step that is never let through to its end is not paid for without end", async () => {
    await serve(impatient);
    const id = await start("t_1");
    const isDead = async (): Promise<boolean> => (await fixture.engine.get(id))?.status === "dead";

    // Two that do not count, two crashes, and the next is the end; one is counted earlier where Restate calls again before the worker has noted it.
    for (let time = 0; time < 5 && !(await isDead()); time++) {
      await until(async () => executing === 1 || (await isDead()), "it executes, or is given up");
      await breakLink();
    }

    await until(isDead, "it is given up");
    expect(await fixture.engine.result(id)).toMatchObject({ status: "dead", reason: "recovery-limit" });
  });

  it("counts none of a worker that drains either: a balancer may cut whoever refuses new connections", async () => {
    await start("t_1");
    await until(() => executing === 1, "it executes");

    const draining = fixture.engine.drain(60_000);
    link.cut("reset");
    await until(() => executing === 0, "what executes is told");
    await draining;

    expect(await fixture.observer.all("SELECT status, suspended FROM lh_task")).toEqual([{ status: "running", suspended: true }]);
  });
});
