import { afterEach, describe, expect, it } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { sharedPostgres } from "../../src/db/fixture/postgres-server.ts";
import { agentA, createGate, done, until, value } from "../../src/engine/engine-fixture.testsuite.ts";
import type { Execute } from "../../src/engine/engine.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import { type EngineWorker, openEngineWorker } from "./fixture/engine-worker.ts";
import { createSwitch } from "./fixture/switch.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

describe("a worker that begins an attempt while PostgreSQL is away", () => {
  it("does not begin it any more when Restate has called another worker meanwhile", async () => {
    const url = await (await sharedPostgres()).createDatabase();
    const lane = await createSwitch();
    closing.push(() => lane.close());
    const team = `late${process.pid}`;
    const ports = [await freePort(), await freePort()] as const;
    const open = (port: number): Promise<EngineWorker> => openEngineWorker({ team, url, port, lane, recallMsMax: 50 });
    const [first, second] = [await open(ports[0]), await open(ports[1])];
    closing.push(() => first.close(), () => second.close());
    const began: string[] = [];
    const gate = createGate();
    const program = (name: string): Execute => async (ctx) =>
      done(await ctx.step({ kind: "code", name: "work" }, async () => {
        began.push(name);
        await gate.opened;
        return value(name);
      }));
    lane.leadTo(ports[0]);
    await first.engine.run([agentA], program("first"));
    const nowMs = systemClock.now();
    const { taskId } = await first.engine.start({ id: "t_1", agent: "a", input: null, key: null, priority: 0, notBeforeAtMs: 0, deadlineAtMs: nowMs + 3_600_000, depth: 0, source: "test" });
    await until(() => began.length === 1, "the first worker executes it");

    // Called again, the first worker cannot begin; the second one can.
    first.way.cut("reset");
    lane.leadTo(ports[0]);
    await sleep(systemClock, 1_000);
    lane.leadTo(ports[1]);
    await second.engine.run([agentA], program("second"));
    await until(() => began.includes("second"), "the second worker executes it");
    first.way.heal();
    await sleep(systemClock, 4_000);
    gate.open();

    await until(async () => (await second.engine.get(taskId))?.status === "done", "the task is done");
    expect(await second.engine.get(taskId)).toMatchObject({ end: { output: "second" }, recoveries: 1 });
    expect(began).toEqual(["first", "second"]);
  });
});
