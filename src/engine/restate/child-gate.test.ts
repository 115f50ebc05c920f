import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { Operation } from "../operation.ts";
import { defaultEngineLimits } from "../limits.ts";
import { Bodies } from "./bodies.ts";
import { EngineRows } from "./engine-rows.testsuite.ts";
import type { Envelope } from "./envelope.ts";
import { cancelTask } from "./operator.ts";
import { beginChild, type StepScope } from "./steps.ts";

let rows: EngineRows;
beforeAll(async () => {
  rows = await EngineRows.open();
});
afterAll(() => rows.db.close());

it("a child that was let through and is not made is given back once, also when its caller ends before that is stored", async () => {
  const { id, runId, runSerial, task } = await rows.make();
  const scope: StepScope = {
    taskId: id, taskSerial: task.serial, runId, runSerial, activation: 1, attempt: 1, keyRunId: runId, begunAtMs: 0, isSuspect: false, stepAttempt: 1, undo: { isRegistered: false },
    writer: rows.writer, clock: rows.clock, limits: defaultEngineLimits, queueMax: () => 0, signal: new AbortController().signal, bodies: new Bodies(), isOver: () => false,
  };
  let givenBack = 0;
  const request: Operation["request"] = { type: "child", task: { ...rows.newTask("key"), key: null }, gate: { ask: () => Promise.resolve(null), giveBack: () => void givenBack++ } };
  const operation: Operation = { identity: { kind: "child", name: "child", occurrence: 1 }, key: "child/child/1", number: 1, request, state: "busy", resolve: () => undefined, reject: () => undefined };
  const begun: Promise<Envelope>[] = [];

  await rows.db.transaction(async (tx) => {
    // Whether the queue is full is looked at, and what that comes to is not stored.
    await tx.run("LOCK TABLE lh_journal IN SHARE MODE");
    begun.push(beginChild(scope, operation, request, "awakeable"));
    await vi.waitFor(async () => expect((await tx.get("SELECT count(*) AS n FROM pg_locks WHERE NOT granted"))?.["n"]).toBe(1), 10_000);
    await rows.writer.write((change) => cancelTask(change, { id: "q", taskId: id }, "canceled by a test"));
  });

  expect(await Promise.all(begun)).toEqual([{ type: "gone" }]);
  expect(givenBack).toBe(1);
});
