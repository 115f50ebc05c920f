import type { NotifierDefinition, TeamDefinition } from "../agent/team-definition.ts";
import type { McpDefinition } from "../agent/tool-definition.ts";
import { systemProcess } from "../base/process.ts";
import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/deadline.ts";
import { formatDuration, parseDuration } from "../base/duration.ts";
import { messageOf } from "../base/error.ts";
import { defaultConnectTimeoutMs } from "../tool/mcp-spec.ts";
import { mcpSource } from "../tool/mcp.ts";
import { createChildLedger } from "./left-children.ts";
import { referencesOf } from "./missing-models.ts";
import { createModelServices } from "./model-services.ts";
import type { Secrets } from "./secrets.ts";
import { toSourceSpec } from "./tool-set.ts";

export interface ExamineOptions {
  readonly clock: Clock;
  readonly secrets: Secrets;
  /** Where MCP servers that are started for this are noted, so that none outlives this process for good; null: nowhere. */
  readonly children: string | null;
}

/** One thing that a team needs, and whether it is there. */
export interface Examined {
  readonly name: string;
  /** Null: it is there. */
  readonly problem: string | null;
  readonly found: string;
}

/** Whether each model can be asked: its provider is known, and its key is there. Nobody is asked. */
export async function examineModels({ spec }: TeamDefinition, { clock, secrets }: ExamineOptions): Promise<readonly Examined[]> {
  const { resolveModel } = createModelServices({ clock, secrets, endpoints: spec.endpoints ?? [], modelFor: () => null });
  return await Promise.all(
    [...referencesOf(spec)].map(async ([name, reference]): Promise<Examined> => {
      try {
        const model = await resolveModel(reference);
        return { name, problem: null, found: model.simulated ? "simulated: nobody real answers" : "its key is set" };
      } catch (error) {
        return { name, problem: messageOf(error), found: "" };
      }
    }),
  );
}

/** Connects to each MCP server as the team would, asks for its tools, and goes. */
export async function examineMcpServers({ spec }: TeamDefinition, options: ExamineOptions): Promise<readonly Examined[]> {
  const definitions = new Set([...spec.agents, ...(spec.flows ?? [])].flatMap((worker) => (worker.spec.tools ?? []).filter((tool): tool is McpDefinition => tool.kind === "mcp")));
  return await Promise.all([...definitions].map((definition) => examineMcpServer(definition, options)));
}

/** Between the connection and the list of tools. */
const listTimeoutMs = 10_000;

async function examineMcpServer({ spec }: McpDefinition, { clock, secrets, children }: ExamineOptions): Promise<Examined> {
  const { name } = spec;
  try {
    const connectTimeoutMs = spec.connectTimeout === undefined ? defaultConnectTimeoutMs : parseDuration(spec.connectTimeout, `mcp ${name}: connectTimeout`);
    const source = mcpSource(toSourceSpec(spec, secrets), { clock, ...(children === null ? {} : { children: createChildLedger(children, systemProcess()) }) });
    try {
      const timeoutMs = connectTimeoutMs + listTimeoutMs;
      const tools = await withDeadline({ clock, timeoutMs, onTimeout: () => new Error(`it did not list its tools within ${formatDuration(timeoutMs)}`) }, (signal) => source.tools(signal));
      return { name, problem: null, found: `${tools.length} tools` };
    } finally {
      await source.close();
    }
  } catch (error) {
    return { name, problem: messageOf(error), found: "" };
  }
}

/** Whether the secrets of each notifier are there. Nobody is told anything. */
export function examineNotifiers({ spec }: TeamDefinition, { secrets }: ExamineOptions): readonly Examined[] {
  return (spec.notify ?? [{ kind: "console", name: "console" }]).map((definition) => examineNotifier(definition, secrets));
}

function examineNotifier(definition: NotifierDefinition, secrets: Secrets): Examined {
  const { name } = definition;
  if (definition.kind === "console") return { name, problem: null, found: "the terminal of the team" };
  try {
    secrets.value(definition.url);
    secrets.values(definition.headers);
    if (definition.signingSecret !== null) secrets.value(definition.signingSecret);
    return { name, problem: null, found: "its secrets are set" };
  } catch (error) {
    return { name, problem: messageOf(error), found: "" };
  }
}
