import type { Outcome } from "../record/task.ts";
import { LonghaulError } from "../base/error.ts";
import { type Json } from "../base/json.ts";
import type { NeedsApproval } from "./approval.ts";
import type { Effect, Reconciliation, ToolResult } from "./tool.ts";

/** What a reconcile of an MCP tool is asked with. */
export interface McpReconcileRequest {
  /** The input of the call whose outcome is unknown. */
  readonly input: Json;
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
  /**
   * Calls a tool of the same server whose effect is declared `read`. Resolves with what the server answered, also when that is an error.
   * @throws {MCP_UNAVAILABLE} when the server gave no answer, so that silence is never taken for "it did not happen".
   */
  readonly call: (toolName: string, input: Json) => Promise<ToolResult>;
}

export type McpReconcile = (request: McpReconcileRequest) => Promise<Reconciliation> | Reconciliation;
export type McpEffect = Effect | { readonly effect: Effect; readonly reconcile: McpReconcile };

interface McpCommon {
  readonly name: string;
  /** The effect of each tool by its name. Tools that are not named are `once`. */
  readonly effects?: Readonly<Record<string, McpEffect>>;
  /** Of its `once` tools: what the input of their task may come from beside verified outputs. */
  readonly accepts?: readonly Outcome[];
  /** Whether a person has to allow a call: of any tool, or by the tool's name. Tools that are not named need nobody. */
  readonly needsApproval?: true | Readonly<Record<string, NeedsApproval<Json>>>;
  /** How long a person is waited for. Default: 24 h. */
  readonly approvalWithinMs?: number;
  /** Only these tools are shown. Default: all. */
  readonly allow?: readonly string[];
  /** Whether a tool that changes is held back until a person approves. Default: true. */
  readonly pin?: boolean;
  /** Starting the server and agreeing on a protocol. Default: 10 s. */
  readonly connectTimeoutMs?: number;
  /** One request. Default: 30 s. */
  readonly requestTimeoutMs?: number;
  /** Calls at once. */
  readonly concurrencyMax?: number;
}

/** A server that is started as a child process and spoken to over its stdin and stdout. */
export interface McpStdioSpec extends McpCommon {
  readonly command: string;
  readonly args?: readonly string[];
  /** Added to the few variables that a child inherits: HOME, LOGNAME, PATH, SHELL, TERM, USER. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A server that is spoken to over streamable HTTP. */
export interface McpHttpSpec extends McpCommon {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type McpSpec = McpStdioSpec | McpHttpSpec;

export const defaultConnectTimeoutMs = 10_000;
export const defaultRequestTimeoutMs = 30_000;

/** @throws {OPTION_INVALID} naming the option. */
export function checkMcpSpec(spec: McpSpec): void {
  const fail = (what: string): never => {
    throw new LonghaulError("OPTION_INVALID", `MCP server ${JSON.stringify(spec.name)}: ${what}`);
  };
  if (typeof spec.name !== "string" || spec.name === "") fail("name is empty. Give it a name that messages can use.");
  for (const option of ["connectTimeoutMs", "requestTimeoutMs", "approvalWithinMs"] as const) {
    const value = spec[option];
    if (value !== undefined && (!Number.isFinite(value) || value <= 0)) fail(`${option} is ${value}. Use milliseconds above 0.`);
  }
  if ("url" in spec && "command" in spec) fail("both url and command are given. Give one of them.");
  if ("url" in spec) {
    if (!URL.canParse(spec.url) || !["http:", "https:"].includes(new URL(spec.url).protocol)) fail(`url is ${JSON.stringify(spec.url)}. Use an http: or https: URL.`);
  } else if (typeof spec.command !== "string" || spec.command === "") fail("neither url nor command is given. Give one of them.");
}

export function effectOf(spec: McpSpec, toolName: string): Effect {
  const declared = declaredEffect(spec, toolName);
  if (declared === undefined) return "once";
  return typeof declared === "string" ? declared : declared.effect;
}

export function reconcileOf(spec: McpSpec, toolName: string): McpReconcile | undefined {
  const declared = declaredEffect(spec, toolName);
  return typeof declared === "object" ? declared.reconcile : undefined;
}

export function needsApprovalOf({ needsApproval = {} }: McpSpec, toolName: string): NeedsApproval<Json> {
  if (needsApproval === true) return true;
  return Object.hasOwn(needsApproval, toolName) ? (needsApproval[toolName] ?? false) : false;
}

function declaredEffect(spec: McpSpec, toolName: string): McpEffect | undefined {
  return spec.effects !== undefined && Object.hasOwn(spec.effects, toolName) ? spec.effects[toolName] : undefined;
}
