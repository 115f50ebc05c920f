// The door `longhaul`: what a team is written with.

// definitions
export { type AgentDefinition, type AgentSpec, defineAgent, defineFlow, type FlowDefinition, type FlowSpec, type Verdict, type VerifyOptions } from "./agent/agent-definition.ts";
export { defineTeam, consoleNotifier, type NotifierDefinition, type RetentionSpec, type TeamDefinition, type TeamSpec, webhook } from "./agent/team-definition.ts";
export { defineTool, mcp, type McpDefinition, type McpSpec, type ToolDefinition, type ToolSpec } from "./agent/tool-definition.ts";
export { cached, type CachedDefinition, type DeadTask, type ResultFallback } from "./agent/result-fallback.ts";
export { parallel, pipeline } from "./agent/compose.ts";
export { fromAgent } from "./agent/from-agent.ts";

// triggers
export { cron, every, type Firing, on, poll, type Trigger } from "./agent/trigger-definition.ts";

// values
export { endpoint, type EndpointDefinition, fallback, type FallbackDefinition, type ModelChoice, type ModelReference } from "./agent/model-reference.ts";
export { secret, type SecretReference } from "./agent/secret.ts";
export { type Money, usd } from "./base/money.ts";
export type { Duration } from "./base/duration.ts";
export type { Json, JsonObject } from "./base/json.ts";

// durable code
export type { Callable, CallOptions, CallResult, CompensateOptions, RunContext, SendOptions, SignalResult, StepOptions, StepScope, ToolsOptions, TransactionScope, WaitOptions } from "./agent/context.ts";
export type { Message } from "./record/message.ts";
export type { LogRecord } from "./record/log-record.ts";
export type { NeedsApproval } from "./tool/approval.ts";
export type { ApprovalOptions, Effect, Reconciliation } from "./tool/tool.ts";

// errors
export type { ErrorCode } from "./base/error-code.ts";
export { isLonghaulError, LonghaulError } from "./base/error.ts";
