import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { systemClock } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";
import { agentA, code, createGate, done, newTask, outputOf, progress, quiet, runToEnd, value, type EngineSuite } from "./engine-fixture.testsuite.ts";

export function testSteps(suite: EngineSuite): void {
  describe("steps", () => {
    testOutcomes(suite);
    testTransactions(suite);

    it("E9 numbers steps in call order and recognises them by kind, name and occurrence", async () => {
      const fixture = await suite.create();
      const keys: string[] = [];
      await outputOf(fixture, async (ctx) => {
        const step = (kind: "tool" | "code", name: string) =>
          ctx.step({ kind, name }, async ({ number, attempt, idempotencyKey }) => {
            keys.push(`${number} ${attempt} ${idempotencyKey.replace(ctx.runId, "run")}`);
            return value(null);
          });
        await step("code", "fetch");
        await Promise.all([step("tool", "fetch"), step("code", "fetch")]);
        return done(null);
      });

      // Bodies that go on at once begin, and end, in any order.
      expect(keys.toSorted()).toEqual(["1 1 run/code/fetch/1", "2 1 run/tool/fetch/1", "3 1 run/code/fetch/2"]);
      const [task] = await fixture.engine.list({});
      const steps = await fixture.engine.steps(String(task?.runId));
      expect(steps.map(({ seq }) => seq)).toEqual([1, 2, 3]);
      expect(steps.map(({ number, kind, name, occurrence }) => `${number} ${kind} ${name} ${occurrence}`).toSorted()).toEqual(["1 code fetch 1", "2 tool fetch 1", "3 code fetch 2"]);
    });

    it("ends a run that takes more steps than its limit, and names the limit", async () => {
      const fixture = await suite.create();
      await fixture.engine.run([agentA], async (ctx) => {
        await Promise.all(Array.from({ length: 10_001 }, () => ctx.wait({ name: "w", reason: "signal", signal: "never" })));
        return done(null);
      });

      const { taskId } = await fixture.engine.start(newTask(fixture));
      const end = await fixture.engine.result(taskId);

      expect(end).toMatchObject({ status: "dead", reason: "step-limit", failure: { code: "ENGINE_STEP_LIMIT", details: { stepsPerRunMax: 10_000 } } });
    });

    it("R4 ends a run that awaits something other than ctx, and names the remedy", async () => {
      const fixture = await suite.create();
      await fixture.engine.run([agentA], async (ctx) => {
        await code(ctx, "one", () => 1);
        await new Promise(() => undefined);
        return done(null);
      });

      const { taskId } = await fixture.engine.start(newTask(fixture));
      await quiet(fixture);
      expect(await fixture.engine.get(taskId)).toMatchObject({ status: "running" });
      const end = await runToEnd(fixture, taskId);

      expect(end).toMatchObject({ status: "dead", reason: "foreign-await", failure: { code: "ENGINE_FOREIGN_AWAIT", message: expect.stringContaining("ctx.step") as string } });
    });

    it("gives durable code a clock that moves with its steps, and chance that is its own", async () => {
      const fixture = await suite.create();
      const startAtMs = fixture.clock.now();
      const output = await outputOf(fixture, async (ctx) => {
        const before = ctx.now();
        await ctx.wait({ name: "nap", reason: "timer", timeoutMs: 5_000 });
        return done([before - startAtMs, ctx.now() - startAtMs, ctx.random() !== ctx.random()]);
      });

      expect(output).toEqual([0, 5_000, true]);
    });
  });
}

function testOutcomes(suite: EngineSuite): void {
  it("E2 gives code a failure with code, retry advice, details and causes, the same after a restart", async () => {
    let fixture = await suite.create();
    const seen: unknown[] = [];
    let thrown = 0;
    const execute = async (ctx: Parameters<Parameters<typeof outputOf>[1]>[0]) => {
      try {
        await code(ctx, "fails", () => {
          thrown++;
          const cause = Object.assign(new TypeError("socket closed"), { code: "ECONNRESET" });
          throw new LonghaulError("QUEUE_FULL", "over", { retry: { afterMs: 7_000 }, details: { limit: 5 }, cause: new Error("wrapped", { cause }) });
        });
      } catch (error) {
        const { code: errorCode, retry, details, message, cause } = error as LonghaulError;
        const inner = (cause as Error).cause as Error & { readonly code: string };
        seen.push({ errorCode, retry, details, message, isOurs: error instanceof LonghaulError, cause: (cause as Error).message, name: inner.name, innerCode: inner.code });
      }
      await ctx.wait({ name: "go", reason: "signal", signal: "go" });
      return done(null);
    };
    await fixture.engine.run([agentA], execute);
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    const runId = String((await fixture.engine.get(taskId))?.runId);

    fixture = await suite.crash(fixture);
    await fixture.engine.run([agentA], execute);
    await fixture.engine.signal(runId, "go", null, "1");
    await runToEnd(fixture, taskId);

    expect(thrown).toBe(1);
    expect(seen).toHaveLength(2);
    expect(seen[0]).toEqual({
      errorCode: "QUEUE_FULL", retry: { afterMs: 7_000 }, details: { limit: 5 }, message: "over", isOurs: true, cause: "wrapped", name: "TypeError", innerCode: "ECONNRESET",
    });
    expect(seen[1]).toEqual(seen[0]);
  });

  it("applies what a step writes in its own commit, and ends it in the refusal when a guard refuses", async () => {
    const fixture = await suite.create();
    await fixture.engine.start(newTask(fixture, { agent: "elsewhere", key: "held" }));
    const guard = { type: "key.claim" as const, key: "held", taskId: "other", atMs: 0, expiresAtMs: 1 };
    const output = await outputOf(fixture, async (ctx) => {
      await ctx.step({ kind: "code", name: "writes" }, async () => value(1, [progress("kept")]));
      const refusal = await ctx.step({ kind: "code", name: "refused" }, async () => value(2, [progress("dropped"), guard])).catch((error: unknown) => error);
      return done((refusal as LonghaulError).code);
    });

    expect(output).toBe("TASK_KEY_TAKEN");
    expect(await fixture.applied()).toEqual(["kept"]);
  });

  it("ends a step whose value is too large, or is not data, in a failure that says so", async () => {
    const fixture = await suite.create();
    const output = await outputOf(fixture, async (ctx) => {
      const large = await code(ctx, "large", () => "x".repeat(2_000_001)).catch((error: unknown) => (error as LonghaulError).code);
      const strange = await code(ctx, "strange", () => Number.NaN).catch((error: unknown) => (error as LonghaulError).code);
      return done([large, strange]);
    });

    expect(output).toEqual(["PAYLOAD_TOO_LARGE", "JSON_INVALID"]);
  });

  it("ends a task whose code throws as dead, with the reason that the error names", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA], async (ctx) => {
      await code(ctx, "one", () => 1);
      if (ctx.task.source === "plain") throw new RangeError("boom");
      throw new LonghaulError("QUEUE_FULL", "no credit", { details: { deadReason: "billing" } });
    });
    const plain = await fixture.engine.start(newTask(fixture, { source: "plain" }));
    const named = await fixture.engine.start(newTask(fixture, { source: "named" }));

    expect(await fixture.engine.result(plain.taskId)).toMatchObject({ status: "dead", reason: "failed", failure: { name: "RangeError", message: "boom" } });
    expect(await fixture.engine.result(named.taskId)).toMatchObject({ status: "dead", reason: "billing", failure: { code: "QUEUE_FULL" } });
  });

  it("survives a failure that durable code never awaits", async () => {
    const fixture = await suite.create();
    const gate = createGate();

    const output = await outputOf(fixture, async (ctx) => {
      void code(ctx, "forgotten", () => {
        gate.open();
        throw new Error("nobody looks");
      });
      return done(await code(ctx, "kept", () => gate.opened.then(() => "kept")));
    });

    expect(output).toBe("kept");
  });
}

function testTransactions(suite: EngineSuite): void {
  const spec = { kind: "code", name: "tx" } as const;

  it("runs user SQL in the step's own commit, and undoes it with the step's failure", async () => {
    const fixture = await suite.create();
    const output = await outputOf(fixture, async (ctx) => {
      await ctx.transaction(spec, async (tx) => (await tx.run("CREATE TABLE note (text TEXT)")).changes);
      await ctx.transaction(spec, async (tx) => (await tx.run("INSERT INTO note (text) VALUES (?)", "kept")).changes);
      const failure = await ctx
        .transaction(spec, async (tx) => {
          await tx.run("INSERT INTO note (text) VALUES ('undone')");
          throw new Error("no");
        })
        .catch((error: unknown) => (error as Error).message);
      const rows = await ctx.transaction(spec, async (tx) => (await tx.all("SELECT text FROM note")).map((row) => row["text"] ?? null));
      return done([failure, rows]);
    });

    expect(output).toEqual(["no", ["kept"]]);
  });

  it("refuses a parameter that is neither text nor number nor null, and writes nothing of the transaction", async () => {
    const fixture = await suite.create();
    const date: unknown = new Date(0);
    const output = await outputOf(fixture, async (ctx) => {
      await ctx.transaction(spec, async (tx) => (await tx.run("CREATE TABLE pay (due TEXT, cents INTEGER)")).changes);
      const refused = await ctx
        .transaction(spec, async (tx) => {
          await tx.run("INSERT INTO pay (due, cents) VALUES (?, ?)", "undone", 1);
          return (await tx.run("INSERT INTO pay (due, cents) VALUES (?, ?)", date as string, 500)).changes;
        })
        .catch((error: unknown) => (error as LonghaulError).code);
      return done([refused, await ctx.transaction(spec, async (tx) => (await tx.all("SELECT due FROM pay")).length)]);
    });

    expect(output).toEqual(["TRANSACTION_SQL", 0]);
  });

  it("refuses a transaction that awaits something else, and undoes it", async () => {
    const fixture = await suite.create();
    let late: unknown;
    const output = await outputOf(fixture, async (ctx) => {
      await ctx.transaction(spec, async (tx) => (await tx.run("CREATE TABLE slow (n INTEGER)")).changes);
      const refused = await ctx
        .transaction(spec, async (tx) => {
          await tx.run("INSERT INTO slow (n) VALUES (1)");
          await new Promise<void>((resolve) => void fixture.clock.setTimer(10, resolve));
          late = await tx.run("INSERT INTO slow (n) VALUES (2)").catch((error: unknown) => error);
          return null;
        })
        .catch((error: unknown) => (error as LonghaulError).code);
      await ctx.wait({ name: "longer", reason: "timer", timeoutMs: 20 });
      return done([refused, await ctx.transaction(spec, async (tx) => (await tx.all("SELECT n FROM slow")).length)]);
    });

    expect(output).toEqual(["TRANSACTION_AWAIT", 0]);
    expect(late).toMatchObject({ code: "TRANSACTION_AWAIT" });
  });

  it.each<readonly [string, () => Promise<unknown>]>([
    ["what never comes", () => new Promise(() => undefined)],
    ["a server", async () => await (await fetch(await slowServer())).text()],
  ])("refuses a transaction that awaits %s without any time passing, and holds up nobody with it", async (_, foreign) => {
    const fixture = await suite.create();
    const names = ["one", "two", "three"];
    await fixture.engine.run([agentA], async (ctx) => {
      if (ctx.task.source === "other") return done(await code(ctx, "step", () => "fine"));
      const refused = await ctx
        .transaction(spec, async (tx) => {
          await tx.all("SELECT 1 AS one");
          await foreign();
          return null;
        })
        .catch((error: unknown) => (error as LonghaulError).code);
      return done(refused);
    });
    const bad = await fixture.engine.start(newTask(fixture));
    const others = await Promise.all(names.map(() => fixture.engine.start(newTask(fixture, { source: "other" }))));

    // The clock stands still: nobody waits for a time limit.
    const ends = await Promise.all([bad, ...others].map(({ taskId }) => fixture.engine.result(taskId)));

    expect(ends.map((end) => end.status === "done" && end.output)).toEqual(["TRANSACTION_AWAIT", "fine", "fine", "fine"]);
  });
}

/** Answers after a moment in which a transaction could hold others up. */
async function slowServer(): Promise<string> {
  const server = createServer((_, response) => void systemClock.setTimer(300, () => response.end("late")));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  server.unref();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
