import type { AgentSpec, BudgetSpec, ExpectSpec, LimitsSpec } from "./agent-definition.ts";
import type { CallOptions, CompensateOptions, SendOptions, StepOptions, ToolsOptions, WaitOptions } from "./context.ts";
import type { EndpointDefinition } from "./model-reference.ts";
import type { Report } from "./problem.ts";
import type { SecretReference } from "./secret.ts";
import type { AccountLimitsSpec, BackupSpec, ConsoleDefinition, RetentionSpec, TeamSpec, WebhookDefinition } from "./team-definition.ts";
import type { McpEffect, McpSpec, ToolSpec } from "./tool-definition.ts";
import type { CronTrigger, EventTrigger, EveryTrigger, PollTrigger } from "./trigger-definition.ts";
import type { Schema } from "../base/schema.ts";

/** All keys of `T`; the compiler refuses a list that lacks one or has one too many. */
type Names<T> = Readonly<Record<KeysOf<T>, true>>;
type KeysOf<T> = T extends unknown ? keyof T & string : never;

/** The options that exist, per kind of definition. */
export const optionNames = {
  team: { name: true, agents: true, flows: true, notify: true, endpoints: true, limits: true, backup: true, retention: true } satisfies Names<TeamSpec>,
  backup: { to: true, every: true, keep: true } satisfies Names<BackupSpec>,
  retention: { journals: true, deadLetters: true, records: true, rollups: true } satisfies Names<RetentionSpec>,
  accountLimits: { requestsPerMinute: true, tokensPerMinute: true, concurrency: true } satisfies Names<AccountLimitsSpec>,
  agent: {
    name: true, description: true, input: true, output: true, verify: true, fallback: true, accepts: true, limits: true, expect: true, triggers: true, model: true, instructions: true,
    prompt: true, tools: true, verifyAttempts: true, temperature: true, providerOptions: true, budget: true, run: true,
  } satisfies Names<AgentSpec<Schema, Schema>>,
  limits: {
    concurrency: true, queueMax: true, turnsMax: true, toolCallsMax: true, outputTokensMax: true, firstChunkTimeout: true, betweenChunksTimeout: true, modelCallTimeout: true,
    verifyTimeout: true, activeTime: true, deadline: true, fanOutMax: true,
  } satisfies Names<LimitsSpec>,
  budget: { perTask: true, perDay: true } satisfies Names<BudgetSpec>,
  expect: { progressWithin: true } satisfies Names<ExpectSpec>,
  tool: { name: true, description: true, inputSchema: true, effect: true, accepts: true, timeout: true, concurrency: true, execute: true, reconcile: true, needsApproval: true, approvalWithin: true } satisfies Names<ToolSpec<Schema, unknown>>,
  mcp: {
    name: true, effects: true, accepts: true, needsApproval: true, approvalWithin: true, allow: true, pin: true, connectTimeout: true, requestTimeout: true, concurrency: true, command: true, args: true, env: true, cwd: true, url: true, headers: true,
  } satisfies Names<McpSpec>,
  mcpEffect: { effect: true, reconcile: true } satisfies Names<Exclude<McpEffect, string>>,
  every: { kind: true, every: true, atStart: true, if: true, input: true } satisfies Names<EveryTrigger<unknown>>,
  cron: { kind: true, pattern: true, timezone: true, if: true, input: true } satisfies Names<CronTrigger<unknown>>,
  on: { kind: true, event: true, schema: true, input: true } satisfies Names<EventTrigger<unknown>>,
  poll: { kind: true, every: true, poll: true, key: true, input: true } satisfies Names<PollTrigger<unknown>>,
  endpoint: { kind: true, name: true, wire: true, baseUrl: true, apiKey: true, simulated: true, fetch: true, priceAs: true, prices: true } satisfies Names<EndpointDefinition>,
  webhook: { kind: true, name: true, url: true, headers: true, signingSecret: true } satisfies Names<WebhookDefinition>,
  console: { kind: true, name: true } satisfies Names<ConsoleDefinition>,
  secret: { kind: true, name: true, file: true } satisfies Names<SecretReference>,
} as const;

/** The options of the methods of ctx. */
export const contextOptionNames = {
  step: { timeout: true, attempts: true } satisfies Names<StepOptions>,
  waitFor: { timeout: true } satisfies Names<WaitOptions>,
  call: { priority: true, accepts: true } satisfies Names<CallOptions>,
  send: { key: true, priority: true, delay: true } satisfies Names<SendOptions>,
  tools: { effects: true, accepts: true, needsApproval: true, approvalWithin: true } satisfies Names<ToolsOptions<never>>,
  compensate: { timeout: true, attempts: true } satisfies Names<CompensateOptions>,
} as const;

/** Options of the design whose part does not exist in this version: refused, so that none is silently ignored. */
const plannedOptions: ReadonlySet<string> = new Set([
  "alerts", "archive", "batch", "breaker", "bulkhead", "byPhase", "cache", "canary", "cascade", "concurrencyKey", "critical",
  "debounce", "depthMax", "dependsOn", "drift", "exporters", "hedge", "idempotencyWindow", "lease", "limiter", "memory", "missed", "objective",
  "payloadMax", "perMonth", "phases", "pinned", "priority", "queue", "rateLimit", "readiness", "recall", "reconcileWith", "recovery", "redact", "renotify",
  "retry", "route", "silence", "slo", "snapshot", "stagger", "summary", "timeouts", "transcript", "window",
]);

/** What stands under such a name may be a secret in plain text, which no message shows. */
const secretName = /key|token|secret|password|auth|credential|header/i;

/** Reports every field of `value` that is not an option. */
export function checkOptionNames(report: Report, prefix: string, value: object, known: Readonly<Record<string, true>>): void {
  for (const [name, given] of Object.entries(value)) {
    if (given === undefined || Object.hasOwn(known, name)) continue;
    report(`${prefix}${name}`, secretName.test(name) ? `(a ${typeof given})` : given, plannedOptions.has(name) ? "It is not built yet in this version; remove it." : suggestName(name, Object.keys(known)));
  }
}

/** "There is no such option; did you mean verify?", or the list of names when none is close. */
function suggestName(name: string, known: readonly string[]): string {
  const closest = findClosest(name, known);
  return closest === null ? `There is no such option; the options are ${known.filter((option) => option !== "kind").join(", ")}.` : `There is no such option; did you mean ${closest}?`;
}

/** The name that differs by the fewest edits, null when all differ in more than a third of their letters. */
export function findClosest(name: string, candidates: readonly string[]): string | null {
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: countEdits(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.floor(Math.max(name.length, candidate.length) / 3)))
    .toSorted((a, b) => a.distance - b.distance);
  return ranked[0]?.candidate ?? null;
}

/** Letters to insert, delete or replace to make one text the other. */
function countEdits(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[to.length] ?? 0;
}
