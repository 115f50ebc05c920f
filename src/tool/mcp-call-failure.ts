import { isLonghaulError } from "../base/error.ts";
import { ConnectionLost, type McpConnection, RequestTimeout } from "./mcp-connection.ts";
import { tooLarge, thrownText } from "./result.ts";
import type { ToolErrorKind, ToolResult } from "./tool.ts";

export interface McpCallName {
  readonly tool: string;
  readonly server: string;
}

const invalidParamsCode = -32_602;
/** The request left no trace at the server: there was nobody to connect to. */
const unreachedCodes: readonly string[] = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"];
const outcomeUnknown = "Whether it took effect is unknown.";

/** True when the server certainly did not read the call: nobody was there, or it had forgotten the session that the call named. */
export function isUnsent(connection: McpConnection, error: unknown): boolean {
  if (error instanceof connection.sdk.SdkHttpError) return error.status === 404 && connection.hasSession;
  return networkCode(error) !== null;
}

/** True when the connection, not the request, is what failed: a fresh one may work. */
export function isGone(connection: McpConnection, error: unknown): boolean {
  const { sdk } = connection;
  if (error instanceof RequestTimeout || error instanceof sdk.ProtocolError) return false;
  if (error instanceof sdk.SdkHttpError) return isSessionLost(connection, error.status);
  return !(error instanceof sdk.SdkError) || isConnectionCode(error.code);
}

/**
 * The result for a call that has no answer. `connection` is null when none could be had.
 * `unavailable` and `timeout` mean that the call may have taken effect. One that certainly did not is `failed`: nobody has to look whether it happened.
 */
export function callFailure({ tool, server }: McpCallName, connection: McpConnection | null, error: unknown): ToolResult {
  const result = (kind: ToolErrorKind, what: string): ToolResult => ({ ok: false, kind, message: `Tool ${tool} of MCP server ${server}: ${what}` });
  const why = thrownText(error);
  if (error instanceof RequestTimeout) return result("timeout", `${why}. ${outcomeUnknown} Ask for less at once, or raise requestTimeout.`);
  if (error instanceof ConnectionLost) {
    return error.tooLarge ? tooLarge(tool, "of an unknown size: it was not read to its end") : result("unavailable", `the server went away while it ran: ${why}. ${outcomeUnknown}`);
  }
  const unreached = (what: string): ToolResult => ({ ok: false, kind: "failed", isUnreached: true, message: `Tool ${tool} of MCP server ${server}: ${what}` });
  if (connection === null || isLonghaulError(error)) return unreached(`it was not called. ${why}`);
  const { sdk } = connection;
  if (error instanceof sdk.ProtocolError) return error.code === invalidParamsCode ? result("invalid-input", `the server refused its input. ${why}`) : result("failed", why);
  if (error instanceof sdk.SdkHttpError) {
    if (isSessionLost(connection, error.status)) connection.fail(`it answered HTTP ${error.status} to a call`);
    return error.status < 500 ? result("failed", `it was not called: the server refused it with HTTP ${error.status}. ${why}`) : result("unavailable", `the server answered HTTP ${error.status}. ${outcomeUnknown} ${why}`);
  }
  if (error instanceof sdk.SdkError && !isConnectionCode(error.code)) return result("failed", `its answer cannot be used: ${why}. The call itself may have taken effect.`);
  connection.suspect();
  return networkCode(error) === null ? result("unavailable", `the connection broke: ${why}. ${outcomeUnknown}`) : unreached(`it was not called: ${why}.`);
}

/** 404 says that a session is forgotten; servers of the first generation say it with 400. */
function isSessionLost(connection: McpConnection, status: number | undefined): boolean {
  return connection.hasSession && (status === 404 || status === 400);
}

function isConnectionCode(code: string): boolean {
  return code === "CONNECTION_CLOSED" || code === "NOT_CONNECTED" || code === "SEND_FAILED";
}

function networkCode(thrown: unknown): string | null {
  for (let error: unknown = thrown; error instanceof Error; error = error.cause) {
    if ("code" in error && typeof error.code === "string" && unreachedCodes.includes(error.code)) return error.code;
  }
  return null;
}
