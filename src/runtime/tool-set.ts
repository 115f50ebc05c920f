import type { McpDefinition, McpSpec, ToolDefinition } from "../agent/tool-definition.ts";
import { parseDuration } from "../base/duration.ts";
import type { Clock } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";
import { finalAnswerTool } from "../record/message.ts";
import type { Worker } from "../run/worker.ts";
import { functionTool } from "../tool/function-tool.ts";
import type { ChildLedger } from "../tool/child-ledger.ts";
import type { McpPins } from "../tool/mcp-pin.ts";
import { mcpSource } from "../tool/mcp.ts";
import type { McpSpec as McpSourceSpec } from "../tool/mcp-spec.ts";
import type { Tool, ToolSource } from "../tool/tool.ts";
import type { LiveTeamOptions } from "./live-team-options.ts";
import type { Secrets } from "./secrets.ts";

export interface ToolSet {
  /** The tools of an agent; opens MCP servers on first use and again after they died. */
  readonly toolsOf: (agent: string, signal: AbortSignal) => Promise<readonly Tool[]>;
  close(): Promise<void>;
}

export interface ToolSetOptions extends Pick<LiveTeamOptions, "clock" | "mcpServerFor"> {
  readonly secrets: Secrets;
  /** Holds back tools of MCP servers that changed. Default: none is. */
  readonly pins?: McpPins;
  /** Is told of MCP servers that are child processes. */
  readonly children?: ChildLedger;
}

/**
 * The tools of every agent. Agents that share an MCP definition share its connection.
 * @throws {SECRET_MISSING} for a secret of any MCP server, also of one that is opened later.
 */
export function createToolSet(workers: ReadonlyMap<string, Worker>, { clock, secrets, mcpServerFor, pins, children }: ToolSetOptions): ToolSet {
  const definitions = new Set([...workers.values()].flatMap(({ spec }) => spec.tools ?? []));
  const sources = new Map<McpDefinition, ToolSource>();
  const functions = new Map<ToolDefinition, Tool>();
  for (const definition of definitions) {
    if (definition.kind === "mcp") sources.set(definition, mcpSource(toSourceSpec(definition.spec, secrets), { clock, pins, children, inProcess: mcpServerFor?.(definition.spec.name) ?? undefined }));
    else functions.set(definition, toTool(definition, clock, dependencyOf(definition, definitions, workers)));
  }
  const open = async (definition: McpDefinition | ToolDefinition, signal: AbortSignal): Promise<readonly Tool[]> => {
    if (definition.kind === "mcp") return (await sources.get(definition)?.tools(signal)) ?? [];
    const tool = functions.get(definition);
    return tool === undefined ? [] : [tool];
  };
  return {
    async toolsOf(agent, signal) {
      const { tools: wanted = [], output } = workers.get(agent)?.spec ?? {};
      const tools = (await Promise.all(wanted.map((definition) => open(definition, signal)))).flat();
      assertDistinct(agent, [...tools.map(({ name }) => name), ...(output === undefined ? [] : [finalAnswerTool])]);
      return tools;
    },
    close: async () => {
      await Promise.all([...sources.values()].map((source) => source.close()));
    },
  };
}

/** What an MCP server has is known when it is asked. @throws {TOOL_NAME_TAKEN} */
function assertDistinct(agent: string, names: readonly string[]): void {
  const taken = names.find((name, index) => names.indexOf(name) !== index);
  if (taken !== undefined) throw new LonghaulError("TOOL_NAME_TAKEN", `${agent} has two tools named ${taken}. Rename yours, or name the tools that it is to see in the server's \`allow\`.`);
}

/** Tools of one name that are not one tool have a breaker each. */
function dependencyOf(definition: ToolDefinition, all: ReadonlySet<McpDefinition | ToolDefinition>, workers: ReadonlyMap<string, Worker>): string {
  const { name } = definition.spec;
  const isAlone = [...all].every((other) => other === definition || other.kind === "mcp" || other.spec.name !== name);
  const owner = [...workers.values()].find(({ spec }) => spec.tools?.includes(definition));
  return isAlone || owner === undefined ? `tool ${name}` : `tool ${name} of ${owner.name}`;
}

function toTool(definition: ToolDefinition, clock: Clock, dependency: string): Tool {
  const { timeout, approvalWithin, concurrency, ...spec } = definition.spec;
  const times = {
    ...(timeout === undefined ? {} : { timeoutMs: parseDuration(timeout, `tool ${spec.name}: timeout`) }),
    ...(approvalWithin === undefined ? {} : { approvalWithinMs: parseDuration(approvalWithin, `tool ${spec.name}: approvalWithin`) }),
  };
  return functionTool({ ...spec, ...times }, { clock, dependency, concurrencyMax: concurrency });
}

/** @throws {SECRET_MISSING} */
export function toSourceSpec(spec: McpSpec, secrets: Secrets): McpSourceSpec {
  const common = {
    name: spec.name,
    ...(spec.effects === undefined ? {} : { effects: spec.effects }),
    ...(spec.accepts === undefined ? {} : { accepts: spec.accepts }),
    ...(spec.needsApproval === undefined ? {} : { needsApproval: spec.needsApproval }),
    ...(spec.approvalWithin === undefined ? {} : { approvalWithinMs: parseDuration(spec.approvalWithin, `mcp ${spec.name}: approvalWithin`) }),
    ...(spec.allow === undefined ? {} : { allow: spec.allow }),
    ...(spec.pin === undefined ? {} : { pin: spec.pin }),
    ...(spec.connectTimeout === undefined ? {} : { connectTimeoutMs: parseDuration(spec.connectTimeout, `mcp ${spec.name}: connectTimeout`) }),
    ...(spec.concurrency === undefined ? {} : { concurrencyMax: spec.concurrency }),
    ...(spec.requestTimeout === undefined ? {} : { requestTimeoutMs: parseDuration(spec.requestTimeout, `mcp ${spec.name}: requestTimeout`) }),
  };
  if (spec.command === undefined) return { ...common, url: spec.url, ...(spec.headers === undefined ? {} : { headers: secrets.values(spec.headers) }) };
  return {
    ...common,
    command: spec.command,
    ...(spec.args === undefined ? {} : { args: spec.args }),
    ...(spec.env === undefined ? {} : { env: secrets.values(spec.env) }),
    ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
  };
}
