import type { LanguageModelV4 } from "@ai-sdk/provider";
import type { Duration } from "../base/duration.ts";
import type { Json, JsonObject } from "../base/json.ts";
import type { Money } from "../base/money.ts";
import type { InputOf, OutputOf, Schema } from "../base/schema.ts";
import type { Message } from "../record/message.ts";
import type { Outcome } from "../record/task.ts";
import type { Callable, RunContext } from "./context.ts";
import type { ModelChoice } from "./model-reference.ts";
import type { ResultFallback } from "./result-fallback.ts";
import type { McpDefinition, ToolDefinition } from "./tool-definition.ts";
import type { Trigger } from "./trigger-definition.ts";

/** What `verify` says of an output. */
export type Verdict = { readonly accepted: true; readonly evidence: Json } | { readonly accepted: false; readonly reason: string; readonly evidence: Json };

/** What `verify` is given. */
export interface VerifyOptions<Input, Output> {
  readonly input: Input;
  readonly output: Output;
  /** What was said and what the tools returned; of a plain-code agent, empty. */
  readonly transcript: readonly Message[];
  readonly signal: AbortSignal;
  /** An AI SDK model whose calls are paid from the task's budget and recorded. They are part of the verdict's one step: a verify that is made again after a crash asks again. */
  readonly model: (model: ModelChoice) => LanguageModelV4;
  /** Calls a tool of the agent that is `read` or `idempotent`; returns what it returned. @throws {TOOL_FAILED} {OPTION_INVALID} */
  readonly tool: (name: string, input: unknown) => Promise<Json>;
  readonly accept: (evidence?: Json) => Verdict;
  readonly reject: (reason: string, evidence?: Json) => Verdict;
}

export interface LimitsSpec {
  /** Tasks at once. Default 1 for an agent, 10 for a flow. */
  readonly concurrency?: number;
  /** Tasks that may wait for a slot. Default 10,000. */
  readonly queueMax?: number;
  /** Model calls in one task. Default 25. */
  readonly turnsMax?: number;
  /** Tool calls in one answer of an agent's model. More are refused, and the model is told so. Default 50. */
  readonly toolCallsMax?: number;
  /** Output tokens of one model call. Default 4,096. */
  readonly outputTokensMax?: number;
  /** From asking a model to the first content of its answer. Raise it for models that think long before they say anything. Default 60 s. */
  readonly firstChunkTimeout?: Duration;
  /** Between two contents of an answer. Default 30 s. */
  readonly betweenChunksTimeout?: Duration;
  /** One model call in all. Default 10 min. */
  readonly modelCallTimeout?: Duration;
  /** One attempt of `verify`. Default 10 min. */
  readonly verifyTimeout?: Duration;
  /** Time in which a task executes, over all of its steps; what it waits for (time, people, children, retries) does not count. Default 1 h. */
  readonly activeTime?: Duration;
  /** From a task's creation to its end. Default 7 days. */
  readonly deadline?: Duration;
  /** Children of one run. Default 50. */
  readonly fanOutMax?: number;
}

export interface BudgetSpec {
  /** Default $1. */
  readonly perTask?: Money;
  /** Of this agent, by UTC day. Default $10. */
  readonly perDay?: Money;
}

export interface ExpectSpec {
  /** Accepted work at least this often while there is work. Default 24 h. */
  readonly progressWithin?: Duration;
}

interface WorkerSpec<In extends Schema, Out extends Schema> {
  /** Lower-case letters, digits, `-` and `_`, at most 64. */
  readonly name: string;
  readonly description?: string;
  readonly input?: In;
  readonly output?: Out;
  /** Accepts the output with evidence, or rejects it with a reason that the model is told. */
  readonly verify?: (options: VerifyOptions<OutputOf<In>, OutputOf<Out>>) => Verdict | Promise<Verdict>;
  /**
   * What stands in, in this order, when a task would be dead for a reason that its work has: the first that gives an output that fits the schema. The task is then
   * `degraded`. Nothing stands in for a task that was canceled, passed a limit of time or size, or got a wrong input. Default: nothing.
   */
  readonly fallback?: readonly ResultFallback<OutputOf<NoInfer<In>>, InputOf<NoInfer<Out>>>[];
  /** What the outputs of other tasks may be worth that its input comes from, beside verified ones. What comes from others is refused. Default: anything. */
  readonly accepts?: readonly Outcome[];
  readonly limits?: LimitsSpec;
  readonly expect?: ExpectSpec;
  readonly triggers?: readonly Trigger<InputOf<NoInfer<In>>>[];
}

interface ModelWork<In extends Schema> {
  /** A model, or a chain of them made by `fallback`. */
  readonly model: ModelChoice;
  /** What the model is told first; may depend on the input. */
  readonly instructions: string | ((input: OutputOf<In>) => string);
  /** The first user message. Default: the input as JSON. */
  readonly prompt?: (input: OutputOf<In>) => string;
  readonly tools?: readonly (ToolDefinition | McpDefinition)[];
  /** Refusals of `verify` (and of the output's schema) that are fed back before the task is dead(rejected). Default 2. */
  readonly verifyAttempts?: number;
  readonly temperature?: number;
  readonly providerOptions?: JsonObject;
  readonly budget?: BudgetSpec;
  readonly run?: never;
}

interface CodeWork<In extends Schema, Out extends Schema> {
  /** Durable code. */
  readonly run: (ctx: RunContext, input: OutputOf<In>) => Promise<InputOf<Out>>;
  readonly budget?: BudgetSpec;
  readonly model?: never;
  readonly instructions?: never;
  readonly prompt?: never;
  readonly tools?: never;
  readonly verifyAttempts?: never;
  readonly temperature?: never;
  readonly providerOptions?: never;
}

/** What `defineAgent` takes: a model with instructions, or durable code in `run`. */
export type AgentSpec<In extends Schema, Out extends Schema> = WorkerSpec<In, Out> & (ModelWork<In> | CodeWork<In, Out>);
/** What `defineFlow` takes. */
export type FlowSpec<In extends Schema, Out extends Schema> = WorkerSpec<In, Out> & CodeWork<In, Out>;

/** A worker with a name and a way to act. Data: it never executes by itself. */
export interface AgentDefinition<Input = unknown, Output = unknown> extends Callable<Input, Output> {
  readonly kind: "agent";
  readonly spec: AgentSpec<Schema, Schema>;
}

/** Agents composed in durable code. */
export interface FlowDefinition<Input = unknown, Output = unknown> extends Callable<Input, Output> {
  readonly kind: "flow";
  readonly spec: FlowSpec<Schema, Schema>;
}

/** An agent: a model with instructions and tools, or plain durable code in `run`. */
export function defineAgent<In extends Schema = Schema, Out extends Schema = Schema>(spec: AgentSpec<In, Out>): AgentDefinition<InputOf<In>, OutputOf<Out>> {
  return { kind: "agent", name: spec.name, spec };
}

/** A flow: durable code that calls agents. */
export function defineFlow<In extends Schema = Schema, Out extends Schema = Schema>(spec: FlowSpec<In, Out>): FlowDefinition<InputOf<In>, OutputOf<Out>> {
  return { kind: "flow", name: spec.name, spec };
}
