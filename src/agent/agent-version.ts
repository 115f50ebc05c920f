import { parseDuration } from "../base/duration.ts";
import { canonicalJson, hashOf, type Json, type JsonObject, toJson } from "../base/json.ts";
import { type Schema, toJsonSchema } from "../base/schema.ts";
import type { Outcome } from "../record/task.ts";
import type { AgentDefinition, FlowDefinition, LimitsSpec } from "./agent-definition.ts";
import type { NeedsApproval } from "../tool/approval.ts";
import { sourceOf } from "./function-source.ts";
import { listModels, type ModelChoice, type ModelReference } from "./model-reference.ts";
import type { McpDefinition, McpEffect, ToolDefinition } from "./tool-definition.ts";

const versionLength = 12;

/**
 * 12 hexadecimal digits over what shapes an agent's behaviour: model, instructions, tools, schemas, checks, limits, durable code. Equal definitions have equal
 * versions in every process; names, descriptions for people, triggers, budgets and expectations do not count.
 */
export function computeAgentVersion({ kind, spec }: AgentDefinition | FlowDefinition): string {
  const shape = {
    kind,
    model: spec.model === undefined ? null : describeModel(spec.model),
    instructions: textOrSource(spec.instructions),
    prompt: textOrSource(spec.prompt),
    tools: (spec.tools ?? []).map(describeTool),
    input: describeSchema(spec.input),
    output: describeSchema(spec.output),
    verify: textOrSource(spec.verify),
    verifyAttempts: spec.verifyAttempts ?? null,
    temperature: spec.temperature ?? null,
    providerOptions: spec.providerOptions ?? null,
    limits: describeLimits(spec.limits),
    run: textOrSource(spec.run),
    ...(spec.fallback === undefined ? {} : { fallback: spec.fallback.map(describeFallback) }),
    ...(spec.accepts === undefined ? {} : { accepts: spec.accepts }),
  };
  return hashOf(canonicalJson(toJson(shape, "An agent's version"))).slice(0, versionLength);
}

function describeModel(choice: ModelChoice): Json {
  const [first, ...others] = listModels(choice).map(modelId);
  return others.length === 0 ? (first ?? null) : [first ?? null, ...others];
}

function modelId(model: ModelReference): string {
  return typeof model === "string" ? model : `${model.provider}/${model.modelId}`;
}

function textOrSource(value: string | object | undefined): string | null {
  if (value === undefined) return null;
  return typeof value === "string" ? value : sourceOf(value);
}

function describeSchema(schema: Schema | undefined): Json {
  if (schema === undefined) return null;
  try {
    return toJsonSchema(schema) ?? schema["~standard"].vendor;
  } catch {
    // A schema that models are not shown need not have a JSON Schema: a date, a transformation.
    return schema["~standard"].vendor;
  }
}

function describeTool(tool: ToolDefinition | McpDefinition): JsonObject {
  if (tool.kind === "mcp") {
    const { name, effects = {}, needsApproval, allow = null, url = null } = tool.spec;
    const server = tool.spec.command === undefined ? url : [tool.spec.command, ...(tool.spec.args ?? [])];
    return { mcp: name, server, allow, ...acceptsOf(tool.spec), effects: Object.fromEntries(Object.entries(effects).map(([toolName, effect]) => [toolName, effectOf(effect)])), ...approvalOf(needsApproval) };
  }
  const { name, description, inputSchema, effect, execute, needsApproval } = tool.spec;
  return { name, description, effect, ...acceptsOf(tool.spec), inputSchema: describeSchema(inputSchema), execute: sourceOf(execute), ...approvalOf(needsApproval) };
}

/** Nothing where no call needs it, so that the version of such an agent stays what it was. */
function approvalOf(needs: NeedsApproval<never> | Readonly<Record<string, NeedsApproval<never>>> | undefined): { readonly needsApproval?: Json } {
  if (needs === undefined || needs === false) return {};
  if (typeof needs !== "object") return { needsApproval: needs === true ? true : sourceOf(needs) };
  return { needsApproval: Object.fromEntries(Object.entries(needs).map(([name, own]) => [name, typeof own === "function" ? sourceOf(own) : own])) };
}

function describeFallback(entry: NonNullable<AgentDefinition["spec"]["fallback"]>[number]): string {
  if (typeof entry === "function") return sourceOf(entry);
  return entry.kind === "cached" ? `cached(${parseDuration(entry.within, "fallback: within")})` : `${entry.kind} ${entry.name}`;
}

function acceptsOf({ accepts }: { readonly accepts?: readonly Outcome[] }): JsonObject {
  return accepts === undefined ? {} : { accepts };
}

function effectOf(effect: McpEffect): string {
  return typeof effect === "string" ? effect : effect.effect;
}

function describeLimits(limits: LimitsSpec | undefined): JsonObject {
  if (limits === undefined) return {};
  // "60s" and 60000 are the same limit.
  return Object.fromEntries(Object.entries(limits).map(([name, value]) => [name, typeof value === "string" ? parseDuration(value, `limits.${name}`) : value]));
}
