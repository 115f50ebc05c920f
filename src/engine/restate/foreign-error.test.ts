import { afterAll, describe, expect, it } from "vitest";
import { agentA, done, newTask } from "../engine-fixture.testsuite.ts";
import type { EngineContext } from "../engine.ts";
import { restateSuite, type RestateFixture } from "./restate-fixture.testsuite.ts";

const suite = restateSuite();
afterAll(() => suite.destroy());

const spec = { kind: "code", name: "own trouble" } as const;
const ways: Readonly<Record<string, (ctx: EngineContext, body: () => never) => Promise<unknown>>> = {
  "a step": (ctx, body) => ctx.step(spec, () => Promise.resolve().then(body)),
  "a transaction": (ctx, body) => ctx.transaction(spec, async (tx) => {
    await tx.run("SELECT 1");
    return body();
  }),
};

describe("an error of durable code's own, though PostgreSQL's driver has the same ones", () => {
  it.each(Object.keys(ways).flatMap((way) => ["ENOENT", "ECONNREFUSED", "40001", "57P01"].map((code) => [way, code] as const)))("is what %s comes to, at once: %s", async (way, code) => {
    const fixture = (await suite.create()) as RestateFixture;
    let bodies = 0;
    await fixture.engine.run([agentA], async (ctx) => {
      await ways[way]?.(ctx, () => {
        bodies++;
        throw Object.assign(new Error(`my own ${code}`), { code });
      }).catch(() => undefined);
      return done(bodies);
    });

    const { taskId } = await fixture.engine.start(newTask(fixture));

    expect(await fixture.engine.result(taskId)).toMatchObject({ status: "done", output: 1 });
    const [step] = await fixture.engine.steps(String((await fixture.engine.get(taskId))?.runId));
    expect(step?.outcome).toMatchObject({ ok: false, failure: { message: `my own ${code}` } });
  });
});
