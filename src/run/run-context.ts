import type { RunContext, SignalResult, StepOptions, WaitOptions } from "../agent/context.ts";
import { parseDuration } from "../base/duration.ts";
import { type Json, type JsonObject, toJson } from "../base/json.ts";
import { boundedJson } from "../engine/bounded-json.ts";
import { forgetCalls } from "./call-watch.ts";
import { callWorker, publishEvent, sendTask } from "./child-task.ts";
import { registerCompensation } from "./compensation.ts";
import { checkCall, checkCompensate, checkModel, checkNote, checkPublish, checkSend, checkStep, checkTools, checkTransaction, checkWaitFor, noteBytesMax } from "./context-arguments.ts";
import { createDurableModel } from "./durable-model.ts";
import { createDurableTools } from "./durable-tools.ts";
import { placeOf, recordWrite } from "./run-record.ts";
import type { RunScope } from "./run-services.ts";
import { runUserStep } from "./user-step.ts";

/** The `ctx` of durable code. */
export function createRunContext(scope: RunScope): RunContext {
  const { engine, worker, services } = scope;
  return {
    team: services.team,
    agent: worker.name,
    taskId: engine.task.id,
    runId: engine.runId,
    get signal() {
      return engine.signal;
    },
    now: () => engine.now(),
    random: () => engine.random(),
    step: async (name, body, options = {}) => {
      checkStep(name, body, options, worker.limits);
      return await codeStep(scope, name, body, options);
    },
    sleep: async (duration) => {
      forgetCalls(scope);
      await engine.wait({ name: "sleep", reason: "timer", timeoutMs: parseDuration(duration, "ctx.sleep") });
    },
    waitFor: async (signal, options = {}) => {
      checkWaitFor(signal, options, worker.limits);
      forgetCalls(scope);
      return await waitForSignal(scope, signal, options);
    },
    call: async (agent, input, options = {}) => {
      checkCall(agent, options);
      return await callWorker(scope, agent, input, options);
    },
    send: async (agent, input, options = {}) => {
      checkSend(agent, options);
      return await sendTask(scope, agent, input, options);
    },
    publish: async (event, data) => {
      checkPublish(event, data);
      return await publishEvent(scope, event, data);
    },
    transaction: async (name, body) => {
      checkTransaction(name, body);
      const value = await engine.transaction({ kind: "transaction", name }, async (tx) => toJson(await body(tx), `What transaction "${name}" returned`));
      return value as Awaited<ReturnType<typeof body>>;
    },
    compensate: async (name, undo, options = {}) => {
      checkCompensate(name, undo, options, worker.limits);
      await registerCompensation(scope, name, undo, options);
    },
    model: (model) => {
      checkModel(model);
      return createDurableModel(scope, model);
    },
    tools: (tools, options = {}) => {
      checkTools(tools, options, worker.limits);
      return createDurableTools(scope, tools, options);
    },
    note: async (text, data = {}) => {
      checkNote(text, data);
      await writeNote(scope, text, boundedJson(data, "The data of ctx.note", noteBytesMax) as JsonObject);
    },
  };
}

async function codeStep<T>(scope: RunScope, name: string, body: Parameters<RunContext["step"]>[1], { timeout, attempts }: StepOptions): Promise<T> {
  const what = `ctx.step("${name}")`;
  const plan = { what, ...(timeout === undefined ? {} : { timeoutMs: parseDuration(timeout, `${what}: timeout`) }), ...(attempts === undefined ? {} : { attemptsMax: attempts }) };
  const value = await scope.engine.step({ kind: "code", name }, (execution) =>
    runUserStep(scope, execution, plan, async (signal) => ({ value: toJson(await body({ signal, idempotencyKey: execution.idempotencyKey }), `What ${what} returned`) })),
  );
  return value as T;
}

async function waitForSignal(scope: RunScope, signal: string, { timeout }: WaitOptions): Promise<SignalResult> {
  const end = await scope.engine.wait({
    kind: "signal",
    name: signal,
    reason: "signal",
    signal,
    ...(timeout === undefined ? {} : { timeoutMs: parseDuration(timeout, `ctx.waitFor("${signal}"): timeout`) }),
  });
  return end.by === "timer" ? { timedOut: true } : { timedOut: false, payload: end.payload satisfies Json };
}

async function writeNote(scope: RunScope, text: string, data: JsonObject): Promise<void> {
  await scope.engine.step({ kind: "note", name: "note" }, (execution) =>
    Promise.resolve({
      outcome: { ok: true, value: null },
      writes: [recordWrite(scope, placeOf(execution), { event_type: "decision", reason: text, data })],
    }),
  );
}
