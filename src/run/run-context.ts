import type { RunContext, SignalResult } from "../agent/context.ts";
import { withDeadline } from "../base/deadline.ts";
import { parseDuration } from "../base/duration.ts";
import { LonghaulError } from "../base/error.ts";
import { type Json, toJson } from "../base/json.ts";
import { withRetry } from "../policy/retry.ts";
import { callWorker, publishEvent, sendTask } from "./child-task.ts";
import { createDurableModel } from "./durable-model.ts";
import { createDurableTools } from "./durable-tools.ts";
import { recordWrite } from "./run-record.ts";
import type { RunScope } from "./run-services.ts";

const defaultStepTimeoutMs = 600_000;
const defaultStepAttempts = 3;

/** The `ctx` of durable code. */
export function createRunContext(scope: RunScope): RunContext {
  const { engine, worker, services } = scope;
  return {
    team: services.team,
    agent: worker.name,
    taskId: engine.task.id,
    runId: engine.runId,
    signal: engine.signal,
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
      await engine.step({ kind: "code", name: "note" }, ({ number, attempt }) =>
        Promise.resolve({
          outcome: { ok: true, value: null },
          writes: [recordWrite(scope, { step: number, n: 0, attempt }, { event_type: "decision", reason: text, data })],
        }),
      );
    },
  };
}

async function codeStep<T>(scope: RunScope, name: string, body: Parameters<RunContext["step"]>[1], options: { readonly timeout?: unknown; readonly attempts?: number }): Promise<T> {
  const { clock, random } = scope.services;
  const timeoutMs = options.timeout === undefined ? defaultStepTimeoutMs : parseDuration(options.timeout, `ctx.step("${name}"): timeout`);
  const attemptsMax = options.attempts ?? defaultStepAttempts;
  if (!Number.isInteger(attemptsMax) || attemptsMax < 1 || attemptsMax > 100) {
    throw new LonghaulError("OPTION_INVALID", `ctx.step("${name}"): attempts is ${attemptsMax}. Use a whole number from 1 to 100.`);
  }
  const value = await scope.engine.step({ kind: "code", name }, async ({ signal, idempotencyKey }) => {
    const onTimeout = (): Error => new LonghaulError("STEP_TIMEOUT", `ctx.step("${name}") took longer than ${timeoutMs} ms. Raise its timeout, or make it smaller.`, { retry: "backoff" });
    const returned = await withRetry({ clock, random, signal, attemptsMax }, () =>
      withDeadline({ clock, timeoutMs, onTimeout, signal }, async (stepSignal) => body({ signal: stepSignal, idempotencyKey })),
    );
    return { outcome: { ok: true, value: toJson(returned, `What ctx.step("${name}") returned`) } };
  });
  return value as T;
}

async function waitForSignal(scope: RunScope, signal: string, timeout: unknown): Promise<SignalResult> {
  const end = await scope.engine.wait({
    name: signal,
    reason: "signal",
    signal,
    ...(timeout === undefined ? {} : { timeoutMs: parseDuration(timeout, `ctx.waitFor("${signal}"): timeout`) }),
  });
  return end.by === "timer" ? { timedOut: true } : { timedOut: false, payload: end.payload satisfies Json };
}
