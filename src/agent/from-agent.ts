import { LonghaulError } from "../base/error.ts";
import type { InputOf, OutputOf, Schema } from "../base/schema.ts";
import type { Outcome } from "../record/task.ts";
import { type AgentDefinition, type BudgetSpec, defineAgent, type ExpectSpec, type LimitsSpec, type Verdict, type VerifyOptions } from "./agent-definition.ts";
import type { RunContext } from "./context.ts";
import { sourceOf, withSource } from "./function-source.ts";
import type { ResultFallback } from "./result-fallback.ts";
import type { Trigger } from "./trigger-definition.ts";

/** The part of an AI SDK agent (`ToolLoopAgent`) that is used. */
export interface AiAgent {
  generate(options: { readonly prompt: string; readonly abortSignal?: AbortSignal }): PromiseLike<AiAgentResult>;
}

export interface AiAgentResult {
  readonly text: string;
  /** Read only when the spec has an `output` schema. */
  readonly output?: unknown;
  readonly finishReason?: string;
}

export interface FromAgentSpec<In extends Schema, Out extends Schema> {
  /** Lower-case letters, digits, `-` and `_`, at most 64. */
  readonly name: string;
  readonly description?: string;
  readonly input: In;
  /** Of the agent's structured `output`. Default: the answer is its text. */
  readonly output?: Out;
  /** Builds the agent with `model: ctx.model(…)` and `tools: ctx.tools({ … })`; called again when the run is resumed. */
  readonly agent: (ctx: RunContext) => AiAgent;
  readonly prompt: (input: OutputOf<In>) => string;
  readonly verify?: (options: VerifyOptions<OutputOf<In>, OutputOf<Out>>) => Verdict | Promise<Verdict>;
  readonly fallback?: readonly ResultFallback<OutputOf<NoInfer<In>>, InputOf<NoInfer<Out>>>[];
  readonly accepts?: readonly Outcome[];
  readonly triggers?: readonly Trigger<InputOf<NoInfer<In>>>[];
  readonly limits?: LimitsSpec;
  readonly budget?: BudgetSpec;
  readonly expect?: ExpectSpec;
}

/** Reasons to stop that leave an answer which is none. */
const unfinished: readonly string[] = ["length", "content-filter", "error"];

/** An existing AI SDK agent as a durable one: its model calls and tool executions become journaled steps. */
export function fromAgent<In extends Schema, Out extends Schema = Schema<string>>(spec: FromAgentSpec<In, Out>): AgentDefinition<InputOf<In>, OutputOf<Out>> {
  const { agent, prompt, ...rest } = spec;
  const run = async (ctx: RunContext, input: OutputOf<In>): Promise<InputOf<Out>> => {
    const result = await agent(ctx).generate({ prompt: prompt(input), abortSignal: ctx.signal });
    return answerOf(spec.name, result, spec.output !== undefined);
  };
  const source = `fromAgent(${sourceOf(agent)}, ${sourceOf(prompt)})`;
  return defineAgent<In, Out>({ ...rest, run: withSource(run, source) });
}

function answerOf(name: string, result: AiAgentResult, isStructured: boolean): unknown {
  if (result.finishReason !== undefined && unfinished.includes(result.finishReason)) {
    throw new LonghaulError("TASK_OUTPUT_INVALID", `The answer of ${name} is not complete: its model stopped with "${result.finishReason}". Raise the output tokens, or change the prompt.`);
  }
  if (isStructured) return result.output;
  if (result.text.trim() === "") throw new LonghaulError("TASK_OUTPUT_INVALID", `The answer of ${name} is empty. Change the prompt, or let the agent take more steps.`);
  return result.text;
}
