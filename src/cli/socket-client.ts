import { request } from "node:http";
import { LonghaulError, messageOf } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import { fromErrorBody } from "../http/error-body.ts";

export interface SocketRequest {
  readonly socketPath: string;
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: Json;
  /** Gives the request up; its reason is what the caller is told. */
  readonly signal: AbortSignal;
}

/**
 * One request over the control socket of a running team; null when nobody listens there.
 * @throws what the team refused with, under its own code. @throws {CLIENT_UNREACHABLE} when the connection broke after it was made.
 */
export function askOverSocket({ socketPath, method, path, body, signal }: SocketRequest): Promise<Json | null> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method, path, signal, headers: { "content-type": "application/json" } }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("error", (error) => reject(signal.aborted ? (signal.reason as Error) : brokenOff(error)));
      response.on("end", () => settle(response.statusCode ?? 0, text, resolve, reject));
    });
    outgoing.on("error", (error: NodeJS.ErrnoException) => {
      if (signal.aborted) reject(signal.reason as Error);
      else if (error.code === "ENOENT" || error.code === "ECONNREFUSED") resolve(null);
      else reject(brokenOff(error));
    });
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function settle(status: number, text: string, resolve: (answer: Json) => void, reject: (error: Error) => void): void {
  try {
    const answer = JSON.parse(text) as Json;
    if (status < 300) resolve(answer);
    else reject(fromErrorBody(answer, status));
  } catch (error) {
    reject(brokenOff(error));
  }
}

function brokenOff(cause: unknown): LonghaulError {
  return new LonghaulError("CLIENT_UNREACHABLE", `The running team broke the connection off (${messageOf(cause)}): its process ended, or was ended because it hung. Nobody knows whether it took this: what \`longhaul ps --all\` does not show was not taken. Type it again then, and give tasks a --key: with that, twice is once.`, { retry: "backoff", cause });
}
