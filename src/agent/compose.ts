import { isLonghaulError, LonghaulError } from "../base/error.ts";
import type { Outcome } from "../record/task.ts";
import { type BudgetSpec, defineFlow, type ExpectSpec, type FlowDefinition, type LimitsSpec } from "./agent-definition.ts";
import type { Callable, RunContext } from "./context.ts";
import { withSource } from "./function-source.ts";
import type { Trigger } from "./trigger-definition.ts";

type TaskInput<Worker> = Worker extends Callable<infer Input> ? Input : never;
type TaskOutput<Worker> = Worker extends Callable<unknown, infer Output> ? Output : never;

interface ComposeSpec<Input> {
  /** Lower-case letters, digits, `-` and `_`, at most 64. */
  readonly name: string;
  readonly description?: string;
  /** As of `defineFlow`. Each stage or branch may have its own. */
  readonly accepts?: readonly Outcome[];
  readonly limits?: LimitsSpec;
  readonly budget?: BudgetSpec;
  readonly expect?: ExpectSpec;
  readonly triggers?: readonly Trigger<Input>[];
}

type Stages = readonly [Callable, ...Callable[]];
type First<List extends Stages> = List[0];
type Last<List extends Stages> = List extends readonly [...unknown[], infer Stage] ? Stage : never;
/** The stages again, each of which must take what the one before it gives; a stage without an input schema takes anything. */
type Chain<List extends readonly unknown[]> = List extends readonly [infer Stage, infer Next, ...infer Rest]
  ? TaskOutput<Stage> extends TaskInput<Next>
    ? readonly [Stage, ...Chain<readonly [Next, ...Rest]>]
    : readonly [Stage, Callable<TaskOutput<Stage>>, ...Rest]
  : List;

export interface PipelineSpec<List extends Stages> extends ComposeSpec<TaskInput<First<List>>> {
  /** Each gets the output of the one before it. */
  readonly stages: List & Chain<List>;
}

/** A flow that calls agents one after the other. It ends as dead when a stage does. */
export function pipeline<const List extends Stages>(spec: PipelineSpec<List>): FlowDefinition<TaskInput<First<List>>, TaskOutput<Last<List>>> {
  const { stages, ...rest } = spec;
  const run = async (ctx: RunContext, input: unknown): Promise<unknown> => {
    let value = input;
    for (const stage of stages as Stages) {
      const { output } = await ctx.call(stage, value);
      value = output;
    }
    return value;
  };
  const source = `pipeline(${(stages as Stages).map(({ name }) => name).join(", ")})`;
  return defineFlow({ ...rest, run: withSource(run, source) }) as FlowDefinition<TaskInput<First<List>>, TaskOutput<Last<List>>>;
}

/** What one branch came to. */
export type BranchResult<Output> = { readonly ok: true; readonly output: Output; readonly outcome: Outcome } | { readonly ok: false; readonly reason: string };

type Branches = Readonly<Record<string, Callable>>;
/** An input that every branch takes: the intersection of their inputs. */
type SharedInput<Named extends Branches> = { [Name in keyof Named]: (input: TaskInput<Named[Name]>) => void }[keyof Named] extends (input: infer Input) => void ? Input : never;
type BranchResults<Named extends Branches> = { readonly [Name in keyof Named]: BranchResult<TaskOutput<Named[Name]>> };

export interface ParallelSpec<Named extends Branches> extends ComposeSpec<SharedInput<Named>> {
  /** All get the flow's input, at the same time. */
  readonly branches: Named;
}

/** A flow that calls agents at the same time and gives what each came to: one that dies does not end the others. It ends as dead when all branches do. */
export function parallel<const Named extends Branches>(spec: ParallelSpec<Named>): FlowDefinition<SharedInput<Named>, BranchResults<Named>> {
  const { branches, ...rest } = spec;
  const entries = Object.entries(branches);
  const run = async (ctx: RunContext, input: unknown): Promise<unknown> => {
    const results = await Promise.all(entries.map(async ([name, branch]) => [name, await callBranch(ctx, branch, input)] as const));
    const reasons = results.flatMap(([name, result]) => (result.ok ? [] : [`${name}: ${result.reason}`]));
    if (reasons.length === results.length && results.length > 0) throw new LonghaulError("TASK_DEAD", `Every branch of ${spec.name} failed (${reasons.join("; ")}). See the tasks that it called.`);
    return Object.fromEntries(results);
  };
  const source = `parallel(${entries.map(([name, branch]) => `${name}: ${branch.name}`).join(", ")})`;
  return defineFlow({ ...rest, run: withSource(run, source) }) as FlowDefinition<SharedInput<Named>, BranchResults<Named>>;
}

/** What a branch may come to without an end of the others. */
const branchFailures: readonly string[] = ["TASK_DEAD", "TASK_CANCELED", "OUTCOME_NOT_ACCEPTED"];

async function callBranch(ctx: RunContext, branch: Callable, input: unknown): Promise<BranchResult<unknown>> {
  try {
    const { output, outcome } = await ctx.call(branch, input);
    return { ok: true, output, outcome };
  } catch (error) {
    if (isLonghaulError(error) && branchFailures.includes(error.code)) return { ok: false, reason: error.message };
    throw error;
  }
}
