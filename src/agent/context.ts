import type { LanguageModelV4 } from "@ai-sdk/provider";
import type { Duration } from "../base/duration.ts";
import type { JsonObject } from "../base/json.ts";
import type { SqlValue } from "../engine/engine.ts";
import type { Outcome } from "../record/task.ts";
import type { NeedsApproval } from "../tool/approval.ts";
import type { Effect } from "../tool/tool.ts";
import type { ModelChoice } from "./model-reference.ts";

/** Something that `ctx.call` and `ctx.send` reach: an agent or a flow. */
export interface Callable<Input = unknown, Output = unknown> {
  readonly kind: "agent" | "flow";
  readonly name: string;
  readonly "~input"?: Input;
  readonly "~output"?: Output;
}

/** What `ctx.call` returns. */
export interface CallResult<Output> {
  readonly taskId: string;
  /** How much the output is worth. */
  readonly outcome: Outcome;
  readonly output: Output;
  /** What `verify` accepted it for. */
  readonly evidence: unknown;
}

/** Options of `ctx.call`. */
export interface CallOptions {
  /** Higher first. Default: that of the caller. */
  readonly priority?: number;
  /** What the output may be worth, beside verified. Another is not returned: the call throws. Default: anything. */
  readonly accepts?: readonly Outcome[];
}

/** Options of `ctx.send`. */
export interface SendOptions {
  /** Idempotency key: within 400 days a task with this key starts once. Default: this step of this run. */
  readonly key?: string;
  /** Higher first. Default 0. */
  readonly priority?: number;
  /** Not before this long from now. */
  readonly delay?: Duration;
}

/** Options of `ctx.step`. */
export interface StepOptions {
  /** Default 10 min. */
  readonly timeout?: Duration;
  /** Attempts in all when the step throws. Default 3. An error with `retry: "never"` ends them. */
  readonly attempts?: number;
}

/** What the body of `ctx.step` is given. */
export interface StepScope {
  readonly signal: AbortSignal;
  /** The same at every attempt. */
  readonly idempotencyKey: string;
}

/** Options of `ctx.compensate`. */
export interface CompensateOptions {
  /** Of one attempt. Default 10 min. */
  readonly timeout?: Duration;
  /** Attempts in all when it throws. Default 3. An error with `retry: "never"` ends them. */
  readonly attempts?: number;
}

/** Options of `ctx.waitFor`. */
export interface WaitOptions {
  /** Gives up after this long: `timedOut` is true. Default: the task's deadline. */
  readonly timeout?: Duration;
}

/** Options of `ctx.tools`. */
export interface ToolsOptions<Name extends string> {
  /** By tool name. Default: `once`. */
  readonly effects?: Readonly<Partial<Record<Name, Effect>>>;
  /** Of those that are `once`: what the outputs of other tasks may be worth that this run has worked with, beside verified ones. Default: nothing else. */
  readonly accepts?: readonly Outcome[];
  /** By tool name: whether a person has to allow a call, besides what the tools' own `needsApproval` says. Default: nobody is asked. */
  readonly needsApproval?: Readonly<Partial<Record<Name, NeedsApproval>>>;
  /** How long a person is waited for. Default 24 h. */
  readonly approvalWithin?: Duration;
}

/** What `ctx.waitFor` returns. */
export type SignalResult = { readonly timedOut: true } | { readonly timedOut: false; readonly payload: unknown };

/** SQL on tables of your own, in the step's transaction. Await nothing else inside. Names beginning with `lh_` are Longhaul's. */
export interface TransactionScope {
  run(sql: string, ...parameters: readonly SqlValue[]): Promise<{ readonly changes: number }>;
  all(sql: string, ...parameters: readonly SqlValue[]): Promise<readonly Readonly<Record<string, SqlValue>>[]>;
}

/**
 * What durable code works with. Every method is a journaled step: after a crash the code runs again from its first line, and finished steps return
 * what they returned before. Await nothing else between them: put other work into `step`.
 */
export interface RunContext {
  readonly team: string;
  readonly agent: string;
  readonly taskId: string;
  readonly runId: string;
  /** Aborts when the task is canceled or its deadline passes. */
  readonly signal: AbortSignal;
  /** Deterministic time in milliseconds since the epoch. Use it instead of `Date.now()`. */
  now(): number;
  /** Deterministic chance in [0, 1). Use it instead of `Math.random()`. */
  random(): number;
  /** Runs code once and keeps what it returns (JSON). @throws what the code threw, after its attempts. */
  step<T>(name: string, body: (scope: StepScope) => T | Promise<T>, options?: StepOptions): Promise<T>;
  sleep(duration: Duration): Promise<void>;
  /** Waits for `longhaul`'s or an application's signal to this run. */
  waitFor(signal: string, options?: WaitOptions): Promise<SignalResult>;
  /** Asks an agent or a flow and waits for its outcome. @throws {TASK_DEAD} {TASK_CANCELED} {OUTCOME_NOT_ACCEPTED} {FAN_OUT_LIMIT} {DEPTH_LIMIT} */
  call<Input, Output>(agent: Callable<Input, Output>, input: NoInfer<Input>, options?: CallOptions): Promise<CallResult<Output>>;
  /** Queues a task and goes on. @throws {OUTCOME_NOT_ACCEPTED} {FAN_OUT_LIMIT} {DEPTH_LIMIT} */
  send<Input>(agent: Callable<Input>, input: NoInfer<Input>, options?: SendOptions): Promise<{ readonly taskId: string }>;
  /** States a fact for whoever subscribed with `on(event)`; returns how many tasks it started. @throws {DEPTH_LIMIT} */
  publish(event: string, data: JsonObject): Promise<{ readonly tasks: number }>;
  transaction<T>(name: string, body: (tx: TransactionScope) => Promise<T>): Promise<T>;
  /**
   * Registers what undoes the work so far, should the task end other than `done`: dead, canceled or past its deadline. Register it before the step that it undoes: a step that is
   * cut off may have happened. What is registered runs last to first, each once, in a task of its own (`c_<run>`) that begins when this one ends and no step of it acts any more, 60 s
   * later at the most; each goes on after a crash, and when one fails for good the others still run. `signal` is not that of the ended task. Within it use what it is given and plain
   * code: ctx does nothing there. At most 100 a run.
   * @throws {COMPENSATION_LIMIT}
   */
  compensate(name: string, undo: (scope: StepScope) => unknown, options?: CompensateOptions): Promise<void>;
  /** An AI SDK model whose calls are durable steps: priced, budgeted, recorded. */
  model(model: ModelChoice): LanguageModelV4;
  /** AI SDK tools whose executions are durable steps. A tool without a declared effect is `once`. Their own `needsApproval` is asked here, and a person by this team. */
  tools<Tools extends Readonly<Record<string, object>>>(tools: Tools, options?: ToolsOptions<keyof Tools & string>): Tools;
  /** Writes a `decision` record. */
  note(text: string, data?: JsonObject): Promise<void>;
}
