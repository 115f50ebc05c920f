import { afterAll, describe, expect, it } from "vitest";
import { sleep, systemClock } from "../../base/clock.ts";
import { agentA, code, done, newTask } from "../engine-fixture.testsuite.ts";
import { startRestate } from "./fixture/restate-server.ts";
import { restateSuite } from "./restate-fixture.testsuite.ts";

/** A server that cuts off whatever is silent for a second, unless a service says otherwise. */
const server = startRestate({ RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT: "1s", RESTATE_WORKER__INVOKER__ABORT_TIMEOUT: "1s" });
const suite = restateSuite({ server: () => server });
afterAll(async () => {
  await suite.destroy();
  await (await server).close();
});

describe("a step that takes longer than Restate's patience", () => {
  it("is executed once, and what it came to is kept", async () => {
    const fixture = await suite.create();
    const begun: number[] = [];
    await fixture.engine.run([agentA], async (ctx) =>
      done(await code(ctx, "long", async () => {
        begun.push(systemClock.monotonicMs());
        // Real time, as a model call takes it.
        await sleep(systemClock, 6_000);
        return "kept";
      })),
    );
    const { taskId } = await fixture.engine.start(newTask(fixture));

    expect(await fixture.engine.result(taskId)).toMatchObject({ status: "done", output: "kept" });
    expect(begun).toHaveLength(1);
    expect(await fixture.engine.get(taskId)).toMatchObject({ recoveries: 0 });
  });
});
