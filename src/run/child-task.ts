import type { Callable, CallOptions, CallResult, SendOptions } from "../agent/context.ts";
import { assert } from "../base/assert.ts";
import { parseDuration } from "../base/duration.ts";
import { LonghaulError } from "../base/error.ts";
import { hashOf, type JsonObject, type Json, toJson } from "../base/json.ts";
import type { ChildEnd } from "../engine/engine.ts";
import { fromFailure } from "../record/failure.ts";
import type { Doubt, NewTask, Outcome } from "../record/task.ts";
import { gateOfCallee } from "./callee-gate.ts";
import { assertAccepted, listDoubts } from "./doubts.ts";
import { type Parked, parseParked, waitParked } from "./parked.ts";
import { placeOf, recordWrite } from "./run-record.ts";
import type { RunScope } from "./run-services.ts";
import { depthMax, type Worker } from "./worker.ts";

/** Asks an agent and waits for its outcome. */
export async function callWorker<Output>(scope: RunScope, callable: Callable, input: unknown, options: CallOptions): Promise<CallResult<Output>> {
  const { engine } = scope;
  const callee = findWorker(scope, callable.name);
  const stored = toJson(input, `The input of ctx.call(${callee.name})`);
  assertAccepted(callee.name, scope.doubts, callee.spec.accepts);
  const over = countChild(scope, callee);
  if (over !== null) return await over;
  // The id comes from what the call is known by, in changed code too: a replay names the task that the first execution started.
  const calls = (scope.counts.calls.get(callee.name) ?? 0) + 1;
  scope.counts.calls.set(callee.name, calls);
  const id = `t_${hashOf(`${engine.runId}/child/${callee.name}/${calls}`)}`;
  const task = { ...newTask(scope, callee, stored, { priority: options.priority ?? engine.task.priority, key: null, delayMs: 0, doubts: [...scope.doubts] }), id };
  const end = await endOfChild(scope, callee, task);
  const result = toCallResult<Output>(callee.name, end);
  if (result.outcome === "verified") return result;
  // An output that is not handed on leaves no doubt behind.
  if (options.accepts?.includes(result.outcome) === false) throw notAccepted(callee.name, result, end, options.accepts);
  scope.doubts.add(result.outcome);
  if (result.outcome === "degraded") scope.degradedCalls.push(`${callee.name} is degraded: ${(end.status === "done" ? end.reason : null) ?? "no reason"}`);
  return result;
}

/** While the breaker of the callee keeps it from being called, the run waits outside. */
async function endOfChild(scope: RunScope, callee: Worker, task: NewTask): Promise<ChildEnd> {
  const gate = gateOfCallee(scope, callee, task.id);
  for (let before: Parked | null = null; ; ) {
    const end: ChildEnd | { readonly held: Json } = await scope.engine.child({ kind: "child", name: callee.name }, task, gate);
    if (!("held" in end)) return end;
    const parked = parseParked(end.held);
    assert(parked !== null, `the gate of ${callee.name} holds a call for no reason that is known`);
    await waitParked(scope.engine, callee.name, parked, before);
    before = parked;
  }
}

/** Queues a task and goes on. */
export async function sendTask(scope: RunScope, callable: Callable, input: unknown, options: SendOptions): Promise<{ readonly taskId: string }> {
  const callee = findWorker(scope, callable.name);
  const doubts = [...scope.doubts];
  assertAccepted(callee.name, doubts, callee.spec.accepts);
  const over = countChild(scope, callee);
  if (over !== null) return await over;
  const stored = toJson(input, `The input of ctx.send(${callee.name})`);
  const delayMs = options.delay === undefined ? 0 : parseDuration(options.delay, `ctx.send(${callee.name}): delay`);
  const value = await scope.engine.step({ kind: "send", name: callee.name }, (execution) => {
    const task = newTask(scope, callee, stored, { priority: options.priority ?? 0, key: options.key ?? execution.idempotencyKey, delayMs, doubts });
    const record = recordWrite(scope, placeOf(execution), { event_type: "handoff", result: "sent", data: { to: callee.name, taskId: task.id } });
    return Promise.resolve({ outcome: { ok: true, value: { taskId: task.id } }, starts: [task], writes: [record] });
  });
  return value as { readonly taskId: string };
}

/** States a fact; the subscribers' tasks start in the same commit. */
export async function publishEvent(scope: RunScope, event: string, data: JsonObject): Promise<{ readonly tasks: number }> {
  const stored = toJson(data, `The data of ctx.publish("${event}")`) as JsonObject;
  const doubts = [...scope.doubts];
  const value = await scope.engine.step({ kind: "publish", name: event }, async (execution) => {
    const { tasks, receipts } = await scope.services.subscribers(event, stored, execution.idempotencyKey);
    const starts = tasks.map(({ id, agent, input, key, source }) => ({ ...newTask(scope, findSubscriber(scope, agent), input, { priority: 0, key, delayMs: 0, doubts }), id, source }));
    const record = recordWrite(scope, placeOf(execution), { event_type: "handoff", result: "published", data: { event, tasks: starts.length } });
    return { outcome: { ok: true, value: { tasks: starts.length } }, starts, writes: [record, ...receipts] };
  });
  return value as { readonly tasks: number };
}

function findWorker(scope: RunScope, name: string): Worker {
  const worker = scope.services.workers.get(name);
  if (worker) return worker;
  throw new LonghaulError("AGENT_UNKNOWN", `${scope.worker.name} asked for "${name}", which is not in the team. It has: ${[...scope.services.workers.keys()].join(", ")}.`);
}

function findSubscriber(scope: RunScope, name: string): Worker {
  const worker = findWorker(scope, name);
  assertDepth(scope, worker);
  return worker;
}

/** Null when the run may start another task; code that asks as often again as it may, whatever it is told, ends. @throws {FAN_OUT_LIMIT} {DEPTH_LIMIT} */
function countChild(scope: RunScope, callee: Worker): Promise<never> | null {
  assertDepth(scope, callee);
  const { fanOutMax } = scope.worker.limits;
  if (++scope.counts.children <= fanOutMax) return null;
  const error = new LonghaulError("FAN_OUT_LIMIT", `${scope.worker.name} started more than ${fanOutMax} tasks in one run. Send fewer at once, or raise limits.fanOutMax.`);
  if (scope.counts.children <= 2 * fanOutMax) throw error;
  return scope.ending.end(error);
}

function assertDepth({ engine, worker }: RunScope, callee: Worker): void {
  const depth = engine.task.depth + 1;
  if (depth > depthMax) throw new LonghaulError("DEPTH_LIMIT", `${worker.name} starts ${callee.name} at depth ${depth}; the limit is ${depthMax}. Break the chain of tasks that start each other.`);
}

function newTask(scope: RunScope, callee: Worker, input: Json, options: { readonly priority: number; readonly key: string | null; readonly delayMs: number; readonly doubts: readonly Doubt[] }): NewTask {
  const { engine, services } = scope;
  const nowMs = services.clock.now();
  return {
    id: services.ids("t"),
    agent: callee.name,
    input,
    key: options.key,
    priority: options.priority,
    notBeforeAtMs: options.delayMs === 0 ? 0 : nowMs + options.delayMs,
    deadlineAtMs: nowMs + options.delayMs + callee.limits.deadlineMs,
    depth: engine.task.depth + 1,
    source: `run ${engine.runId}`,
    doubts: options.doubts,
  };
}

function toCallResult<Output>(name: string, end: ChildEnd): CallResult<Output> {
  const { taskId } = end;
  switch (end.status) {
    case "done":
      return { taskId, outcome: end.outcome, output: end.output as Output, evidence: end.evidence };
    case "dead":
      throw new LonghaulError("TASK_DEAD", `${name} died (${end.reason}): ${end.failure.message}`, { cause: fromFailure(end.failure), details: { taskId, reason: end.reason, agent: name } });
    case "canceled":
      throw new LonghaulError("TASK_CANCELED", `${name} was canceled: ${end.reason}`, { details: { taskId, agent: name } });
  }
}

function notAccepted(name: string, { taskId, outcome }: CallResult<unknown>, end: ChildEnd, accepts: readonly Outcome[]): LonghaulError {
  const why = end.status === "done" && end.reason !== null ? ` (${end.reason})` : "";
  const message = `The output of ${name} is ${outcome}${why}; this call accepts ${listDoubts(["verified", ...accepts.filter((accepted) => accepted !== "verified")])}.`;
  return new LonghaulError("OUTCOME_NOT_ACCEPTED", message, { details: { taskId, outcome, agent: name, accepts } });
}
