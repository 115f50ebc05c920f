import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/deadline.ts";
import { formatDuration } from "../base/duration.ts";
import { isLonghaulError, LonghaulError } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import { type InputOf, type OutputOf, type Schema, toJsonSchema, validate } from "../base/schema.ts";
import type { Outcome } from "../record/task.ts";
import { type NeedsApproval, toApproval } from "./approval.ts";
import { checkResult, thrownText } from "./result.ts";
import { defaultApprovalWithinMs, defaultToolTimeoutMs, type Effect, type Reconciliation, type Tool, type ToolCallOptions, toolDependency, type ToolResult } from "./tool.ts";

export interface FunctionToolContext {
  /** Aborts when the time is up or the call is canceled. */
  readonly signal: AbortSignal;
  /** The same at every attempt of the same call. */
  readonly idempotencyKey: string;
}

export interface FunctionToolSpec<S extends Schema> {
  readonly name: string;
  readonly description: string;
  /** Any Standard Schema whose library can print it as JSON Schema. */
  readonly inputSchema: S;
  readonly effect: Effect;
  readonly accepts?: readonly Outcome[] | undefined;
  /** The whole call, above 0. Default: 60 s. */
  readonly timeoutMs?: number;
  /** Returns plain JSON data; `undefined` is null. */
  readonly execute: (input: OutputOf<S>, context: FunctionToolContext) => unknown;
  /** Whether a person has to allow a call. Default: no. */
  readonly needsApproval?: NeedsApproval<OutputOf<S>>;
  /** Default: 24 h. */
  readonly approvalWithinMs?: number;
  /** After a crash: did the call with this input and key happen? */
  readonly reconcile?: (input: OutputOf<S>, context: FunctionToolContext) => Promise<Reconciliation> | Reconciliation;
}

export interface FunctionToolOptions {
  readonly clock: Clock;
  /** What shares its breaker and its places. Default: "tool" and its name. */
  readonly dependency?: string;
  /** Calls at once. */
  readonly concurrencyMax?: number | undefined;
}

/**
 * A tool from a function. A throw, a hang, a wrong input and an unusable value are results, never exceptions.
 * @throws {OPTION_INVALID} when the schema cannot be printed as JSON Schema or the timeout is not above 0.
 */
export function functionTool<S extends Schema>(spec: FunctionToolSpec<S>, { clock, dependency = toolDependency(spec.name), concurrencyMax }: FunctionToolOptions): Tool {
  const { name, description, effect, timeoutMs = defaultToolTimeoutMs, reconcile, needsApproval = false, approvalWithinMs = defaultApprovalWithinMs } = spec;
  if (!Number.isFinite(timeoutMs) || timeoutMs <= 0) throw new LonghaulError("OPTION_INVALID", `timeoutMs of tool ${name} is ${timeoutMs}. Use milliseconds above 0.`);
  const inputSchema = toJsonSchema(spec.inputSchema);
  if (inputSchema === null) {
    throw new LonghaulError("OPTION_INVALID", `inputSchema of tool ${name} cannot be printed as JSON Schema, which models need. Use a schema of zod 4.2 or newer, or of another library that implements Standard JSON Schema.`);
  }
  const approval = toApproval<OutputOf<S>>({ clock, timeoutMs, withinMs: approvalWithinMs, needs: needsApproval, parse: (input) => parseInput(spec, input) });
  const tool: Tool = {
    name, description, inputSchema, effect, timeoutMs, accepts: spec.accepts,
    dependency,
    ...(concurrencyMax === undefined ? {} : { concurrencyMax }),
    call: (input, options) => callFunction(spec, { clock, timeoutMs, input, options }),
    ...(approval === undefined ? {} : { approval }),
  };
  if (reconcile === undefined) return tool;
  return { ...tool, reconcile: (input, options) => reconcileFunction(spec, reconcile, { clock, timeoutMs, input, options }) };
}

interface Invocation {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly input: Json;
  readonly options: ToolCallOptions;
}

/** The input as `execute` takes it, or the result that says what is wrong with it. */
async function parseInput<S extends Schema>({ name, inputSchema }: FunctionToolSpec<S>, input: Json): Promise<{ readonly ok: true; readonly value: OutputOf<S> } | { readonly ok: false; readonly result: ToolResult }> {
  const parsed = await validate(inputSchema as Schema<InputOf<S>, OutputOf<S>>, input);
  return parsed.ok ? parsed : { ok: false, result: invalidInput(name, parsed.issues) };
}

async function callFunction<S extends Schema>(spec: FunctionToolSpec<S>, invocation: Invocation): Promise<ToolResult> {
  const { clock, timeoutMs, options } = invocation;
  const { name } = spec;
  let isOver = false;
  const timeout = new Error(`Tool ${name} did not end within its timeout of ${formatDuration(timeoutMs)}`);
  try {
    return await withDeadline({ clock, timeoutMs, onTimeout: () => timeout, signal: options.signal }, async (signal) => {
      const parsed = await parseInput(spec, invocation.input);
      if (!parsed.ok) return parsed.result;
      const executed = (async () => checkResult(name, await spec.execute(parsed.value, { signal, idempotencyKey: options.idempotencyKey })))();
      executed.then(
        (result) => isOver && options.onLate?.(result),
        (error: unknown) => isOver && !isStop(error, signal) && options.onLate?.({ ok: false, kind: "failed", message: `Tool ${name} failed: ${thrownText(error)}` }),
      );
      return await executed;
    });
  } catch (error) {
    isOver = true;
    if (options.signal.aborted) return { ok: false, kind: "canceled", message: `The call of tool ${name} was canceled: ${thrownText(options.signal.reason)}` };
    if (error === timeout) return { ok: false, kind: "timeout", message: `${timeout.message}. Ask for less at once, or raise that.` };
    return { ok: false, kind: "failed", message: `Tool ${name} failed: ${thrownText(error)}` };
  }
}

/** True for the end of a call that stopped because it was told to. */
function isStop(error: unknown, signal: AbortSignal): boolean {
  return error === signal.reason || (error instanceof Error && error.name === "AbortError");
}

async function reconcileFunction<S extends Schema>(
  spec: FunctionToolSpec<S>, reconcile: NonNullable<FunctionToolSpec<S>["reconcile"]>, { clock, timeoutMs, input, options }: Invocation,
): Promise<Reconciliation> {
  const onTimeout = (): Error => reconcileFailed(spec.name, `it did not end within ${formatDuration(timeoutMs)}`);
  try {
    return await withDeadline({ clock, timeoutMs, onTimeout, signal: options.signal }, async (signal) => {
      const parsed = await validate(spec.inputSchema as Schema<InputOf<S>, OutputOf<S>>, input);
      if (!parsed.ok) return { happened: false };
      return reconcile(parsed.value, { signal, idempotencyKey: options.idempotencyKey });
    });
  } catch (error) {
    if (options.signal.aborted || isLonghaulError(error)) throw error;
    throw reconcileFailed(spec.name, thrownText(error), error);
  }
}

/** The error of a reconcile that gave no answer: nobody may conclude that the call did not happen. */
export function reconcileFailed(name: string, why: string, cause?: unknown): LonghaulError {
  return new LonghaulError("TOOL_RECONCILE_FAILED", `reconcile of tool ${name} failed: ${why}. Mend it, or decide by hand whether the call took effect.`, { retry: "backoff", cause });
}

function invalidInput(name: string, issues: readonly string[]): ToolResult {
  return { ok: false, kind: "invalid-input", message: `Tool ${name} was not called: its input is invalid. ${issues.join("; ")}. Mend these fields and call it again.` };
}
