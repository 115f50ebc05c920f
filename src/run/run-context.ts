import type { RunContext, SignalResult, StepOptions } from "../agent/context.ts";
import { parseDuration } from "../base/duration.ts";
import { LonghaulError } from "../base/error.ts";
import { type Json, toJson } from "../base/json.ts";
import { callWorker, publishEvent, sendTask } from "./child-task.ts";
import { createDurableModel } from "./durable-model.ts";
import { createDurableTools } from "./durable-tools.ts";
import { ownSignalPrefix } from "./parked.ts";
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
    step: (name, body, options = {}) => codeStep(scope, name, body, options),
    sleep: async (duration) => {
      await engine.wait({ name: "sleep", reason: "timer", timeoutMs: parseDuration(duration, "ctx.sleep") });
    },
    waitFor: (signal, options = {}) => waitForSignal(scope, signal, options.timeout),
    call: (agent, input, options = {}) => callWorker(scope, agent, input, options),
    send: (agent, input, options = {}) => sendTask(scope, agent, input, options),
    publish: (event, data) => publishEvent(scope, event, data),
    transaction: async (name, body) => {
      const value = await engine.transaction({ kind: "code", name }, async (tx) => toJson(await body(tx), `What transaction "${name}" returned`));
      return value as Awaited<ReturnType<typeof body>>;
    },
    model: (reference) => createDurableModel(scope, reference),
    tools: (tools, options = {}) => createDurableTools(scope, tools, options.effects ?? {}),
    note: async (text, data = {}) => {
      await engine.step({ kind: "code", name: "note" }, (execution) =>
        Promise.resolve({
          outcome: { ok: true, value: null },
          writes: [recordWrite(scope, placeOf(execution), { event_type: "decision", reason: text, data })],
        }),
      );
    },
  };
}

async function codeStep<T>(scope: RunScope, name: string, body: Parameters<RunContext["step"]>[1], { timeout, attempts }: StepOptions): Promise<T> {
  const what = `ctx.step("${name}")`;
  if (attempts !== undefined && (!Number.isInteger(attempts) || attempts < 1 || attempts > 100)) {
    throw new LonghaulError("OPTION_INVALID", `${what}: attempts is ${attempts}. Use a whole number from 1 to 100.`);
  }
  const plan = { what, ...(timeout === undefined ? {} : { timeoutMs: parseDuration(timeout, `${what}: timeout`) }), ...(attempts === undefined ? {} : { attemptsMax: attempts }) };
  const value = await scope.engine.step({ kind: "code", name }, (execution) =>
    runUserStep(scope, execution, plan, async (signal) => ({ value: toJson(await body({ signal, idempotencyKey: execution.idempotencyKey }), `What ${what} returned`) })),
  );
  return value as T;
}

async function waitForSignal(scope: RunScope, signal: string, timeout: unknown): Promise<SignalResult> {
  if (signal === "" || signal.startsWith(ownSignalPrefix)) throw new LonghaulError("OPTION_INVALID", `ctx.waitFor("${signal}"): use a name that is not empty and does not begin with "${ownSignalPrefix}", which is Longhaul's own.`);
  const end = await scope.engine.wait({
    name: signal,
    reason: "signal",
    signal,
    ...(timeout === undefined ? {} : { timeoutMs: parseDuration(timeout, `ctx.waitFor("${signal}"): timeout`) }),
  });
  return end.by === "timer" ? { timedOut: true } : { timedOut: false, payload: end.payload satisfies Json };
}
