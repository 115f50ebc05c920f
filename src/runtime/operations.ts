import type { Clock } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import type { OperableEngine, Started } from "../engine/engine.ts";
import type { Breaker } from "../policy/breaker.ts";
import { type BreakerDecision, decideBreaker } from "../policy/breaker-desk.ts";
import { toLogRecord } from "../record/log-record.ts";
import type { Task, TaskEnd } from "../record/task.ts";
import { nameLengthMax, priorityMax } from "../run/context-arguments.ts";
import { breakerSignalPrefix, ownSignalPrefix } from "../run/parked.ts";
import type { Decision } from "../run/question.ts";
import type { Store } from "../store/store.ts";
import { type AnswerOptions, answerQuestion } from "./answer-question.ts";
import { explained, findForgotten } from "./forgotten-task.ts";
import type { Manifest } from "./manifest.ts";
import { listOpenQuestions, type OpenQuestion, questionSource } from "./open-questions.ts";
import { approveMcpTool, listMcpTools, type McpApproval, type McpToolView } from "./mcp-pins.ts";
import { breakerMemory, withAccounts } from "./team-breakers.ts";
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

/** What people and applications may do to a team, running or not. */
export interface Operations {
  submit(request: SubmitRequest): Promise<Started>;
  /** @throws {TASK_FORGOTTEN} of one that there was, as do the others. */
  task(taskId: string): Promise<Task | null>;
  result(taskId: string, signal?: AbortSignal): Promise<TaskEnd>;
  cancel(taskId: string, reason: string): Promise<boolean>;
  restart(taskId: string): Promise<Task>;
  /** Begins a new run of a task or run that is over, or parked, whose steps below `from` are served. @throws {TASK_UNKNOWN, TASK_STATE, OPTION_INVALID} */
  fork(id: string, from: number): Promise<Forked>;
  /** Lets a parked task go on with what its code asks for now. @throws {TASK_UNKNOWN, TASK_STATE} */
  skip(taskId: string): Promise<Skipped>;
  /** Answers a `ctx.waitFor` of a run. False when the run has ended. @throws {TASK_UNKNOWN} {OPTION_INVALID} for a name that is Longhaul's own: a person's word comes by `approve` only. */
  signal(runId: string, name: string, payload: Json): Promise<boolean>;
  /** What waits for a person's word, the oldest first. */
  questions(): Promise<readonly OpenQuestion[]>;
  /**
   * Answers one question of a run: a call that waits to be allowed (`allow`, `deny`), or one of which nobody knows whether it happened (`happened`, `retry`, `fail`).
   * Returns how many calls it answered, which is one. @throws {TASK_STATE} when none waits for such an answer, when it was answered before, and when several wait and `call` names none.
   */
  approve(runId: string, decision: Decision, result?: Json, options?: Omit<AnswerOptions, "result">): Promise<number>;
  /** Keeps a dependency from being called, or has it called again. `source` says for people who decided. Returns the state before. @throws {OPTION_INVALID} */
  decideBreaker(dependency: string, decision: BreakerDecision, source: string): Promise<Breaker["state"]>;
  /** Every tool of an MCP server that the team ever saw, and what has changed since. */
  mcpTools(): Promise<readonly McpToolView[]>;
  /** What an MCP server says of a tool now may be shown to models. `source` says for people who approved. Returns its hash. @throws {OPTION_INVALID} when it has not changed, or is not what was seen. */
  approveMcpTool(approval: McpApproval, source: string): Promise<string>;
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
  readonly store: Pick<Store, "keys" | "meta" | "records" | "write">;
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
    async task(taskId) {
      const task = await engine.get(taskId);
      const forgotten = task === null ? await findForgotten({ store, manifest }, taskId) : null;
      if (forgotten !== null) throw forgotten;
      return task;
    },
    result: (taskId, signal) => explained({ store, manifest }, taskId, engine.result(taskId, signal)),
    cancel: (taskId, reason) => explained({ store, manifest }, taskId, engine.cancel(taskId, reason)),
    restart: (taskId) => explained({ store, manifest }, taskId, engine.restart(taskId)),
    fork: (id, from) => explained({ store, manifest }, id, forkRun({ engine, clock, ids, manifest }, id, from)),
    skip: (taskId) => explained({ store, manifest }, taskId, skipStep({ engine, clock, ids, manifest }, taskId)),
    async signal(runId, name, payload) {
      if (name.startsWith(ownSignalPrefix)) throw new LonghaulError("OPTION_INVALID", `The signal ${JSON.stringify(name)} is Longhaul's own. Use a name that does not begin with "${ownSignalPrefix}"; a call that waits for a person is answered with \`longhaul approve\`.`);
      if ((await engine.taskOfRun(runId)) === null) throw new LonghaulError("TASK_UNKNOWN", `There is no run ${JSON.stringify(runId)}. List runs with \`longhaul runs\`.`);
      return engine.signal(runId, name, payload, ids("s"));
    },
    questions: () => listOpenQuestions(questionSource(engine, store.records)),
    async approve(runId, decision, result = null, options = {}) {
      await answerQuestion({ engine, nowMs: clock.now(), id: ids("a") }, runId, decision, { ...options, result });
      return 1;
    },
    async decideBreaker(dependency, decision, source) {
      if (dependency === "" || dependency.length > nameLengthMax) throw new LonghaulError("OPTION_INVALID", `The dependency has ${dependency.length} characters. Use its name as records show it, such as "anthropic/claude-sonnet-5-5", "tool crm_lookup", "MCP server web" or "agent research".`);
      const desk = { memory: breakerMemory(store.meta), clock };
      const [own = dependency, ...accounts] = decision === "close" ? await withAccounts(store.meta, dependency) : [dependency];
      const states = [await decideBreaker(own, decision, desk)];
      for (const account of accounts) states.push(await decideBreaker(account, decision, desk));
      const before = states.find((state) => state !== "closed") ?? "closed";
      const to = decision === "close" ? "closed" : "isolated";
      const reason = decision === "close" ? `${dependency} is called again: ${source} closed its breaker.` : `${dependency} is not called: ${source} keeps it so: ${decision.isolate}`;
      await store.write([{ type: "record", record: toLogRecord(ids("e"), clock.now(), manifest().team, { event_type: "breaker", result: to, reason, data: { dependency, from: before, to, openMs: null, source } }) }]);
      if (decision === "close") await wakeForBreaker(engine, [own, ...accounts], ids);
      return before;
    },
    mcpTools: () => listMcpTools(store.meta),
    approveMcpTool: (approval, source) => approveMcpTool({ team: manifest().team, clock, ids, store }, approval, source),
  };
}

/** Runs that wait for a person to have one of these called again: each call of theirs, as a signal ends one wait. One that begins to wait at this very moment comes back by itself, within a minute. */
async function wakeForBreaker(engine: Pick<OperableEngine, "waits" | "signal">, dependencies: readonly string[], ids: (prefix: string) => string): Promise<void> {
  const names = new Set(dependencies.map((dependency) => `${breakerSignalPrefix}${dependency}`));
  for (const { runId, signal } of await engine.waits("breaker")) if (signal !== null && names.has(signal)) await engine.signal(runId, signal, null, ids("s"));
}
