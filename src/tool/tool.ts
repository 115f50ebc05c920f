import type { Json, JsonObject } from "../base/json.ts";
import type { Outcome } from "../record/task.ts";

/** What a tool does to the world: nothing; the same when repeated; something that must not happen twice. */
export type Effect = "read" | "idempotent" | "once";

/** The port of one call. It never throws for a tool's own failure: that is a result which the model can read. */
export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: JsonObject;
  readonly effect: Effect;
  /** Of `once`: what the input of its task may come from beside verified outputs. Default: nothing else. */
  readonly accepts?: readonly Outcome[] | undefined;
  /** What fails when it fails: the tool itself, or the server that has it. Tools of one dependency share a breaker. */
  readonly dependency: string;
  readonly timeoutMs: number;
  /** Calls of the dependency at once. Default 64. */
  readonly concurrencyMax?: number;
  /** Why it is held back: models are not shown it, and it is not called. Absent: it is not. */
  readonly heldBack?: string;
  call(input: Json, options: ToolCallOptions): Promise<ToolResult>;
  /** Whether a person has to allow a call before it is made. Absent: nobody is asked. */
  readonly approval?: ToolApproval;
  /** After a crash with an unknown outcome of a `once` call: did it happen? Absent: a human decides. */
  reconcile?(input: Json, options: ToolCallOptions): Promise<Reconciliation>;
}

export interface ToolCallOptions {
  readonly signal: AbortSignal;
  /** The same at every attempt of the same call: hand it to services that know idempotency keys. */
  readonly idempotencyKey: string;
  readonly taskId: string;
  readonly runId: string;
  /** Told, at most once, what the call came to after it had ended as `timeout` or `canceled` because the tool did not stop when it was told to. */
  readonly onLate?: (result: ToolResult) => void;
}

/** Who is asked before a call is made, and for how long. */
export interface ToolApproval {
  /** How long a question waits for an answer, and a permission for its call. */
  readonly withinMs: number;
  ask(input: Json, options: ApprovalOptions): Promise<ApprovalNeed>;
}

/** What a function that decides whether a call needs approval is told beside its input. */
export interface ApprovalOptions {
  readonly taskId: string;
  readonly runId: string;
  /** Name of the agent whose model, or whose code, makes the call. */
  readonly agent: string;
  /** What the model named the call. */
  readonly callId: string;
  readonly signal: AbortSignal;
}

/** `why`: what a person should know beside the call, such as that it could not be decided whether one has to be asked. `refused`: the call would fail, whatever a person says. */
export type ApprovalNeed = { readonly need: "none" } | { readonly need: "permission"; readonly why: string | null } | { readonly need: "refused"; readonly result: ToolResult };

export type ToolResult =
  | { readonly ok: true; readonly value: Json }
  /** `isUnreached`: the call was not made, since nobody was there to take it. */
  | { readonly ok: false; readonly kind: ToolErrorKind; readonly message: string; readonly isUnreached?: true };

export type ToolErrorKind = "invalid-input" | "failed" | "timeout" | "too-large" | "not-json" | "unavailable" | "canceled" | "denied" | "not-accepted";

/** Whether an interrupted call happened, and with what result. */
export type Reconciliation = { readonly happened: true; readonly value: Json } | { readonly happened: false } | { readonly happened: "unknown" };

export function toolDependency(name: string): string {
  return `tool ${name}`;
}

export function mcpDependency(server: string): string {
  return `MCP server ${server}`;
}

/** Opens on first use, may be asked again after its server died. */
export interface ToolSource {
  readonly name: string;
  tools(signal: AbortSignal): Promise<readonly Tool[]>;
  close(): Promise<void>;
}

/** A result over this many bytes of JSON is an error result (256 KiB): it would not fit a prompt. */
export const toolResultBytesMax = 262_144;
export const defaultToolTimeoutMs = 60_000;
/** A day: whoever is asked on one day can answer on the next. */
export const defaultApprovalWithinMs = 86_400_000;
