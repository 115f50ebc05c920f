import type { Clock } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import type { OperableEngine, Started } from "../engine/engine.ts";
import type { Breaker } from "../policy/breaker.ts";
import { type BreakerDecision, decideBreaker } from "../policy/breaker-desk.ts";
import { toLogRecord } from "../record/log-record.ts";
import { isEnded, type Task, type TaskEnd } from "../record/task.ts";
import { nameLengthMax, priorityMax } from "../run/context-arguments.ts";
import { listOpenDecisions } from "../run/parked.ts";
import type { Store } from "../store/store.ts";
import type { Manifest } from "./manifest.ts";
import { breakerMemory } from "./team-breakers.ts";
import { type Forked, forkRun, type Skipped, skipStep } from "./new-run.ts";

export interface SubmitRequest {
  readonly agent: string;
  readonly input: Json;
  /** Idempotency key: within 400 days a task with this key starts once. */
  readonly key?: string;
  /** Higher first. Default 0. */
  readonly priority?: number;
  /** For people: who asked. */
  readonly source: string;
}

export type EffectDecision = "happened" | "retry" | "fail";

/** Its question may have gone on to another run of the task. */
function runIsOver(runId: string, task: Task | null): LonghaulError {
  const now = task === null || isEnded(task.status) || task.runId === null || task.runId === runId ? `task ${task?.id} is ${task?.status}` : `task ${task.id} goes on with run ${task.runId}. Type: longhaul approve ${task.runId}`;
  return new LonghaulError("TASK_STATE", `Run ${runId} is over, so that nothing of it waits for a decision: ${now}`);
}

/** What people and applications may do to a team, running or not. */
export interface Operations {
  submit(request: SubmitRequest): Promise<Started>;
  task(taskId: string): Promise<Task | null>;
  result(taskId: string, signal?: AbortSignal): Promise<TaskEnd>;
  cancel(taskId: string, reason: string): Promise<boolean>;
  restart(taskId: string): Promise<Task>;
  /** Begins a new run of a task or run that is over, or parked, whose steps below `from` are served. @throws {TASK_UNKNOWN, TASK_STATE, OPTION_INVALID} */
  fork(id: string, from: number): Promise<Forked>;
  /** Lets a parked task go on with what its code asks for now. @throws {TASK_UNKNOWN, TASK_STATE} */
  skip(taskId: string): Promise<Skipped>;
  signal(runId: string, name: string, payload: Json): Promise<boolean>;
  /** Decides an effect whose outcome is unknown. Returns how many waiting calls of the run it answered. @throws {TASK_STATE} when none waits. */
  approve(runId: string, decision: EffectDecision, result?: Json): Promise<number>;
  /** Keeps a dependency from being called, or has it called again. `source` says for people who decided. Returns the state before. @throws {OPTION_INVALID} */
  decideBreaker(dependency: string, decision: BreakerDecision, source: string): Promise<Breaker["state"]>;
}

/** Operations that were opened for a command, and are closed after it. */
export interface OpenOperations {
  readonly operations: Operations;
  close(): Promise<void>;
}

export interface OperationsOptions {
  readonly engine: OperableEngine;
  readonly clock: Clock;
  readonly ids: (prefix: string) => string;
  readonly manifest: () => Manifest;
  readonly store: Pick<Store, "meta" | "write">;
  /** What is wrong with an input, by its agent's schema; empty when it fits. Without it (no team is loaded) the task itself finds out. */
  readonly checkInput?: (agent: string, input: Json) => Promise<readonly string[]>;
}

export function createOperations({ engine, clock, ids, manifest, store, checkInput }: OperationsOptions): Operations {
  return {
    async submit({ agent, input, key, priority = 0, source }) {
      const worker = manifest().workers.find((candidate) => candidate.name === agent);
      if (!worker) throw new LonghaulError("AGENT_UNKNOWN", `The team has no agent or flow "${agent}". It has: ${manifest().workers.map(({ name }) => name).join(", ")}.`);
      if (key !== undefined && (key === "" || key.length > nameLengthMax)) throw new LonghaulError("OPTION_INVALID", `key has ${key.length} characters. Use 1 to ${nameLengthMax}.`);
      if (!Number.isInteger(priority) || Math.abs(priority) > priorityMax) throw new LonghaulError("OPTION_INVALID", `priority is ${priority}. Use a whole number from -${priorityMax} to ${priorityMax}.`);
      const issues = (await checkInput?.(agent, input)) ?? [];
      if (issues.length > 0) throw new LonghaulError("TASK_INPUT_INVALID", `The input of ${agent} does not fit its schema: ${issues.join("; ")}. Mend it and submit it again.`);
      const nowMs = clock.now();
      return engine.start({ id: ids("t"), agent, input, key: key ?? null, priority, notBeforeAtMs: 0, deadlineAtMs: nowMs + worker.deadlineMs, depth: 0, source });
    },
    task: (taskId) => engine.get(taskId),
    result: (taskId, signal) => engine.result(taskId, signal),
    cancel: (taskId, reason) => engine.cancel(taskId, reason),
    restart: (taskId) => engine.restart(taskId),
    fork: (id, from) => forkRun({ engine, clock, ids, manifest }, id, from),
    skip: (taskId) => skipStep({ engine, clock, ids, manifest }, taskId),
    async signal(runId, name, payload) {
      if ((await engine.taskOfRun(runId)) === null) throw new LonghaulError("TASK_UNKNOWN", `There is no run ${JSON.stringify(runId)}. List runs with \`longhaul runs\`.`);
      return engine.signal(runId, name, payload, ids("s"));
    },
    async approve(runId, decision, result = null) {
      const waiting = listOpenDecisions(await engine.steps(runId));
      if (waiting.length === 0) throw new LonghaulError("TASK_STATE", `Run ${runId} has no effect that waits for a decision. See \`longhaul show ${runId}\`.`);
      const answers = await Promise.all(waiting.map((name) => engine.signal(runId, name, { decision, result }, `decision:${name}`)));
      const answered = answers.filter(Boolean).length;
      if (answered === 0) throw runIsOver(runId, await engine.taskOfRun(runId));
      return answered;
    },
    async decideBreaker(dependency, decision, source) {
      if (dependency === "" || dependency.length > nameLengthMax) throw new LonghaulError("OPTION_INVALID", `The dependency has ${dependency.length} characters. Use its name as records show it, such as "anthropic/claude-sonnet-5-5", "tool crm_lookup" or "MCP server web".`);
      const before = await decideBreaker(dependency, decision, { memory: breakerMemory(store.meta), clock });
      const to = decision === "close" ? "closed" : "isolated";
      const reason = decision === "close" ? `${dependency} is called again: ${source} closed its breaker.` : `${dependency} is not called: ${source} keeps it so: ${decision.isolate}`;
      await store.write([{ type: "record", record: toLogRecord(ids("e"), clock.now(), manifest().team, { event_type: "breaker", result: to, reason, data: { dependency, from: before, to, openMs: null, source } }) }]);
      return before;
    },
  };
}
