import { isLonghaulError } from "../base/error.ts";
import type { CallEnd } from "../policy/breaker.ts";
import { mcpDependency, type Tool } from "../tool/tool.ts";
import type { RunScope } from "./run-services.ts";

/** The tools of the run's agent. An MCP server that nobody could reach is asked by nobody for a while. @throws {BREAKER_OPEN} {MCP_UNAVAILABLE} {TOOL_NAME_TAKEN} */
export async function openTools({ services, worker, engine }: RunScope): Promise<readonly Tool[]> {
  const { breakers } = services;
  const servers = (worker.spec.tools ?? []).flatMap((definition) => (definition.kind === "mcp" ? [definition.spec.name] : []));
  const passes = await Promise.all(servers.map(async (server) => ({ server, pass: await breakers.enter(mcpDependency(server)) })));
  let error: unknown;
  try {
    return await services.toolsOf(worker.name, engine.signal);
  } catch (thrown) {
    error = thrown;
    throw thrown;
  } finally {
    // That it says what it has is no call that succeeded: it may hang at each of them.
    const endOf = (server: string): CallEnd => (isLonghaulError(error) && error.code === "MCP_UNAVAILABLE" && error.details["server"] === server && !engine.signal.aborted ? "bad" : "none");
    for (const { server, pass } of passes) void breakers.leave(mcpDependency(server), pass, endOf(server));
  }
}
