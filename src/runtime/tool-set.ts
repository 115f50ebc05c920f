import type { McpDefinition, McpSpec, ToolDefinition } from "../agent/tool-definition.ts";
import { parseDuration } from "../base/duration.ts";
import type { Clock } from "../base/clock.ts";
import type { Worker } from "../run/worker.ts";
import { functionTool } from "../tool/function-tool.ts";
import { mcpSource } from "../tool/mcp.ts";
import type { McpSpec as McpSourceSpec } from "../tool/mcp-spec.ts";
import type { Tool, ToolSource } from "../tool/tool.ts";
import type { Secrets } from "./secrets.ts";

export interface ToolSet {
  /** The tools of an agent; opens MCP servers on first use and again after they died. */
  toolsOf(agent: string, signal: AbortSignal): Promise<readonly Tool[]>;
  close(): Promise<void>;
}

/** The tools of every agent. Agents that share an MCP definition share its connection. */
export function createToolSet(workers: ReadonlyMap<string, Worker>, { clock, secrets }: { readonly clock: Clock; readonly secrets: Secrets }): ToolSet {
  const sources = new Map<McpDefinition, ToolSource>();
  const functions = new Map<ToolDefinition, Tool>();

  const sourceOf = (definition: McpDefinition): ToolSource => {
    const known = sources.get(definition) ?? mcpSource(toSourceSpec(definition.spec, secrets), { clock });
    sources.set(definition, known);
    return known;
  };
  const functionOf = (definition: ToolDefinition): Tool => {
    const { timeout, ...spec } = definition.spec;
    const known = functions.get(definition) ?? functionTool({ ...spec, ...(timeout === undefined ? {} : { timeoutMs: parseDuration(timeout, `tool ${spec.name}: timeout`) }) }, { clock });
    functions.set(definition, known);
    return known;
  };
  return {
    async toolsOf(agent, signal) {
      const definitions = workers.get(agent)?.spec.tools ?? [];
      const lists = await Promise.all(definitions.map(async (definition) => (definition.kind === "mcp" ? sourceOf(definition).tools(signal) : [functionOf(definition)])));
      return lists.flat();
    },
    close: async () => {
      await Promise.all([...sources.values()].map((source) => source.close()));
    },
  };
}

function toSourceSpec(spec: McpSpec, secrets: Secrets): McpSourceSpec {
  const common = {
    name: spec.name,
    ...(spec.effects === undefined ? {} : { effects: spec.effects }),
    ...(spec.allow === undefined ? {} : { allow: spec.allow }),
    ...(spec.connectTimeout === undefined ? {} : { connectTimeoutMs: parseDuration(spec.connectTimeout, `mcp ${spec.name}: connectTimeout`) }),
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
