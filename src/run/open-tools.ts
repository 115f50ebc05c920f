import { isLonghaulError } from "../base/error.ts";
import { mcpDependency, type Tool } from "../tool/tool.ts";
import type { RunScope } from "./run-services.ts";
import { throughBreaker } from "./through-breaker.ts";

/** The tools of the run's agent. An MCP server that nobody could reach is asked by nobody for a while. @throws {BREAKER_OPEN} {MCP_UNAVAILABLE} {TOOL_NAME_TAKEN} */
export async function openTools(scope: RunScope): Promise<readonly Tool[]> {
  const { services, worker, engine } = scope;
  const { signal } = engine;
  let open = (): Promise<readonly Tool[]> => services.toolsOf(worker.name, signal);
  for (const definition of worker.spec.tools ?? []) {
    if (definition.kind !== "mcp") continue;
    const inner = open;
    const { name } = definition.spec;
    // That it says what it has is no call that succeeded: it may hang at each of them.
    open = () => throughBreaker(scope, { dependency: mcpDependency(name), signal, endOf: (error) => (isUnreached(error, name) ? "bad" : "none") }, inner);
  }
  return await open();
}

function isUnreached(error: unknown, server: string): boolean {
  return isLonghaulError(error) && error.code === "MCP_UNAVAILABLE" && error.details["server"] === server;
}
