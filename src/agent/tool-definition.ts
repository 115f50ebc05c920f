import type { Duration } from "../base/duration.ts";
import type { Json } from "../base/json.ts";
import type { InputOf, OutputOf, Schema } from "../base/schema.ts";
import type { Outcome } from "../record/task.ts";
import type { NeedsApproval } from "../tool/approval.ts";
import type { Effect, Reconciliation, ToolResult } from "../tool/tool.ts";
import type { SecretReference } from "./secret.ts";

export interface ToolExecuteOptions {
  readonly signal: AbortSignal;
  /** The same at every attempt of the same call: hand it to services that know idempotency keys. */
  readonly idempotencyKey: string;
}

/** What `defineTool` takes. */
export interface ToolSpec<S extends Schema, Result> {
  /** Letters, digits, `_` and `-`, at most 64: what providers accept. */
  readonly name: string;
  readonly description: string;
  readonly inputSchema: S;
  /** read: changes nothing. idempotent: repeating changes nothing more. once: must not happen twice. */
  readonly effect: Effect;
  /**
   * For `once`: what the outputs of other tasks may be worth that the task's input comes from, beside verified ones. Default: nothing else, so that what nobody
   * accepted has no effect that cannot be taken back.
   */
  readonly accepts?: readonly Outcome[];
  /** Default 60 s. */
  readonly timeout?: Duration;
  /** Calls at once, of all agents. Default 64. */
  readonly concurrency?: number;
  readonly execute: (input: OutputOf<S>, options: ToolExecuteOptions) => Result | Promise<Result>;
  /** Whether a person has to allow a call before it is made: always, or when the function says so. When it throws, a person is asked. Default: nobody is. */
  readonly needsApproval?: NeedsApproval<OutputOf<S>>;
  /** How long a person is waited for; then the model is told that nobody allowed it. Default 24 h. */
  readonly approvalWithin?: Duration;
  /** For `once`: asked after a crash whether the interrupted call happened, and 2 s after a no once more. Without it a human decides. */
  readonly reconcile?: (input: OutputOf<S>, options: ToolExecuteOptions) => Promise<Reconciliation>;
}

/** A tool as data, made by `defineTool`. */
export interface ToolDefinition<Input = unknown, Result = unknown> {
  readonly kind: "tool";
  readonly spec: ToolSpec<Schema, unknown>;
  readonly "~input"?: Input;
  readonly "~result"?: Result;
}

/** A function that a model may call. */
export function defineTool<S extends Schema, Result>(spec: ToolSpec<S, Result>): ToolDefinition<InputOf<S>, Result> {
  return { kind: "tool", spec: spec as unknown as ToolSpec<Schema, unknown> };
}

export interface McpReconcileOptions {
  /** The input of the call whose outcome is unknown. */
  readonly input: Json;
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
  /** Calls a `read` tool of the same server. @throws {MCP_UNAVAILABLE} when the server gives no answer. */
  readonly call: (toolName: string, input: Json) => Promise<ToolResult>;
}

export type McpEffect = Effect | { readonly effect: Effect; readonly reconcile: (options: McpReconcileOptions) => Promise<Reconciliation> | Reconciliation };

interface McpCommon {
  readonly name: string;
  /** The effect of each tool. A tool that is not named here is `once`. */
  readonly effects?: Readonly<Record<string, McpEffect>>;
  /**
   * Of its tools that are `once`: what the outputs of other tasks may be worth that the task's input comes from, beside verified ones. Default: nothing else, so that what nobody
   * accepted has no effect that cannot be taken back.
   */
  readonly accepts?: readonly Outcome[];
  /** Whether a person has to allow a call before it is made: `true` for every tool of the server, or by the tool's own name. Default: nobody is asked. */
  readonly needsApproval?: true | Readonly<Record<string, NeedsApproval<Json>>>;
  /** How long a person is waited for. Default 24 h. */
  readonly approvalWithin?: Duration;
  /** Only these tools are shown to the model. Default: all. */
  readonly allow?: readonly string[];
  /** Whether a tool that says something else of itself than when it was first seen is held back until a person approves. Default: true. */
  readonly pin?: boolean;
  /** Default 10 s. */
  readonly connectTimeout?: Duration;
  /** Default 30 s. */
  readonly requestTimeout?: Duration;
  /** Calls at once, of all agents and all of its tools. Default 64. */
  readonly concurrency?: number;
}

/** An MCP server over stdio (`command`) or streamable HTTP (`url`). */
export type McpSpec = McpCommon &
  (
    | { readonly command: string; readonly args?: readonly string[]; readonly env?: Readonly<Record<string, string | SecretReference>>; readonly cwd?: string; readonly url?: never }
    | { readonly url: string; readonly headers?: Readonly<Record<string, string | SecretReference>>; readonly command?: never }
  );

/** An MCP server as a team names it, made by `mcp`. */
export interface McpDefinition {
  readonly kind: "mcp";
  readonly spec: McpSpec;
}

/** The tools of an MCP server. */
export function mcp(spec: McpSpec): McpDefinition {
  return { kind: "mcp", spec };
}
