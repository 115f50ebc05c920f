import type * as Sdk from "@modelcontextprotocol/client";
import { isLonghaulError } from "../base/error.ts";
import { authRemedy, ConnectionLost, isForgotten, type McpConnection, RequestTimeout } from "./mcp-connection.ts";
import { networkCode } from "./mcp-http.ts";
import { briefText, tooLarge, thrownText } from "./result.ts";
import type { Effect, ToolErrorKind, ToolResult } from "./tool.ts";

export interface McpCallName {
  readonly tool: string;
  readonly server: string;
}

const invalidParamsCode = -32_602;
const outcomeUnknown = "Whether it took effect is unknown.";

/** True when a call may be made again on a fresh connection: there was nobody to send it to; or the connection is what failed, and repeating does no harm. */
export function mayResend(connection: McpConnection, error: unknown, effect: Effect): boolean {
  if (error instanceof ConnectionLost && error.tooLarge) return false;
  return networkCode(error) !== null || (effect !== "once" && isGone(connection, error) && !isUnreadable(error));
}

/** An answer came, and is not what the protocol says. */
function isUnreadable(error: unknown): boolean {
  return error instanceof SyntaxError || (error instanceof Error && error.name.endsWith("ZodError"));
}

/** True when the connection, not the request, is what failed: a fresh one may work. */
export function isGone(connection: McpConnection, error: unknown): boolean {
  const { sdk } = connection;
  if (error instanceof RequestTimeout || error instanceof sdk.ProtocolError) return false;
  if (error instanceof sdk.SdkHttpError) return isSessionLost(connection, error);
  return !(error instanceof sdk.SdkError) || isConnectionCode(error.code);
}

/**
 * The result for a call that has no answer. `connection` is null when none could be had.
 * `unavailable` and `timeout` mean that the call may have taken effect. One that certainly did not is `failed`: nobody has to look whether it happened.
 */
export function callFailure({ tool, server }: McpCallName, connection: McpConnection | null, error: unknown): ToolResult {
  const result = (kind: ToolErrorKind, what: string): ToolResult => ({ ok: false, kind, message: `Tool ${tool} of MCP server ${server}: ${what}` });
  const why = briefText(error);
  if (error instanceof RequestTimeout) return result("timeout", `${why}. ${outcomeUnknown} Ask for less at once, or raise requestTimeout.${describeStray(connection)}`);
  if (error instanceof ConnectionLost) {
    return error.tooLarge ? tooLarge(tool, "of an unknown size: it was not read to its end") : result("unavailable", `the server went away while it ran: ${why}. ${outcomeUnknown}`);
  }
  const unreached = (what: string): ToolResult => ({ ok: false, kind: "failed", isUnreached: true, message: `Tool ${tool} of MCP server ${server}: ${what}` });
  if (connection === null || isLonghaulError(error)) return unreached(`it was not called. ${why}`);
  const { sdk } = connection;
  if (error instanceof sdk.ProtocolError) return error.code === invalidParamsCode ? result("invalid-input", `the server refused its input. ${thrownText(error)}`) : result("failed", thrownText(error));
  if (error instanceof sdk.SdkHttpError) {
    if (isSessionLost(connection, error)) connection.fail(`it answered HTTP ${error.status} to a call`);
    if (error.status === 401 || error.status === 403) return result("failed", `it was not called: the server refused the credentials with HTTP ${error.status}. ${authRemedy(server)}`);
    return error.status < 500 ? result("failed", `it was not called: the server refused it with HTTP ${error.status}. ${why}`) : result("unavailable", `the server answered HTTP ${error.status}. ${outcomeUnknown} ${why}`);
  }
  if (error instanceof sdk.SdkError && !isConnectionCode(error.code)) return result("failed", `its answer cannot be used: ${why}. The call itself may have taken effect.`);
  connection.suspect();
  return networkCode(error) === null ? result("unavailable", `the connection broke: ${why}. ${outcomeUnknown}`) : unreached(`it was not called: ${why}.`);
}

function describeStray(connection: McpConnection | null): string {
  return connection === null || connection.strayText === "" ? "" : ` The server wrote to stdout ${connection.strayText}.`;
}

function isSessionLost(connection: McpConnection, error: Sdk.SdkHttpError): boolean {
  return connection.hasSession && isForgotten(error);
}

function isConnectionCode(code: string): boolean {
  return code === "CONNECTION_CLOSED" || code === "NOT_CONNECTED" || code === "SEND_FAILED";
}
