import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/deadline.ts";
import { formatDuration } from "../base/duration.ts";
import { isLonghaulError, LonghaulError } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import { type InputOf, type OutputOf, type Schema, toJsonSchema, validate } from "../base/schema.ts";
import { checkResult, thrownText } from "./result.ts";
import { defaultToolTimeoutMs, type Effect, type Reconciliation, type Tool, type ToolCallOptions, type ToolResult } from "./tool.ts";

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
  /** The whole call, above 0. Default: 60 s. */
  readonly timeoutMs?: number;
  /** Returns plain JSON data; `undefined` is null. */
  readonly execute: (input: OutputOf<S>, context: FunctionToolContext) => unknown;
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
export function functionTool<S extends Schema>(spec: FunctionToolSpec<S>, { clock, dependency = `tool ${spec.name}`, concurrencyMax }: FunctionToolOptions): Tool {
  const { name, description, effect, timeoutMs = defaultToolTimeoutMs, reconcile } = spec;
  if (!Number.isFinite(timeoutMs) || timeoutMs <= 0) throw new LonghaulError("OPTION_INVALID", `timeoutMs of tool ${name} is ${timeoutMs}. Use milliseconds above 0.`);
  const inputSchema = toJsonSchema(spec.inputSchema);
  if (inputSchema === null) {
    throw new LonghaulError("OPTION_INVALID", `inputSchema of tool ${name} cannot be printed as JSON Schema, which models need. Use a schema of zod 4.2 or newer, or of another library that implements Standard JSON Schema.`);
  }
  const tool: Tool = {
    name, description, inputSchema, effect, timeoutMs,
    dependency,
    ...(concurrencyMax === undefined ? {} : { concurrencyMax }),
    call: (input, options) => callFunction(spec, { clock, timeoutMs, input, options }),
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

async function callFunction<S extends Schema>(spec: FunctionToolSpec<S>, invocation: Invocation): Promise<ToolResult> {
  const { clock, timeoutMs, options } = invocation;
  const { name } = spec;
  const timeout = new Error(`Tool ${name} did not end within its timeoutMs of ${formatDuration(timeoutMs)}`);
  try {
    return await withDeadline({ clock, timeoutMs, onTimeout: () => timeout, signal: options.signal }, async (signal) => {
      const parsed = await validate(spec.inputSchema as Schema<InputOf<S>, OutputOf<S>>, invocation.input);
      if (!parsed.ok) return invalidInput(name, parsed.issues);
      return checkResult(name, await spec.execute(parsed.value, { signal, idempotencyKey: options.idempotencyKey }));
    });
  } catch (error) {
    if (options.signal.aborted) return { ok: false, kind: "canceled", message: `The call of tool ${name} was canceled: ${thrownText(options.signal.reason)}` };
    if (error === timeout) return { ok: false, kind: "timeout", message: `${timeout.message}. Ask for less at once, or raise its timeout.` };
    return { ok: false, kind: "failed", message: `Tool ${name} failed: ${thrownText(error)}` };
  }
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
