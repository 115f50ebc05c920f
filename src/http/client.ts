import { readFileSync } from "node:fs";
import { join, resolve as resolvePath } from "node:path";
import { LonghaulError, messageOf } from "../base/error.ts";
import { errorCodes, type ErrorCode } from "../base/error-code.ts";
import { isJsonObject, type Json } from "../base/json.ts";
import type { TaskView } from "./task-view.ts";

export type { TaskView } from "./task-view.ts";
export { isLonghaulError, LonghaulError } from "../base/error.ts";

/** Where the team is: its data directory on this machine, or its address and token. */
export type ClientOptions = { readonly dataDirectory: string } | { readonly url: string; readonly token: string };

/** Options of `client.submit`. */
export interface SubmitOptions {
  /** Idempotency key: within 400 days a task with this key starts once. */
  readonly key?: string;
  /** Higher first. Default 0. */
  readonly priority?: number;
}

/** A connection to a running team, made by `createClient`. */
export interface Client {
  /** Starts a task, or finds the one that holds the key. */
  submit(agent: string, input: unknown, options?: SubmitOptions): Promise<{ readonly taskId: string; readonly created: boolean }>;
  task(taskId: string): Promise<TaskView>;
  /** Waits until the task ends and returns its output. @throws {TASK_DEAD} {TASK_CANCELED} */
  result(taskId: string, options?: { readonly signal?: AbortSignal }): Promise<TaskView>;
  cancel(taskId: string, reason?: string): Promise<boolean>;
  /** Answers a `ctx.waitFor` of a run. False when the run has ended. */
  signal(runId: string, name: string, payload?: unknown): Promise<boolean>;
}

const waitPerRequest = "30s";

/** Submits work to a running team and waits for results. */
export function createClient(options: ClientOptions): Client {
  const { url, token } = "url" in options ? options : readEndpoint(options.dataDirectory);
  const request = async (method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Json> => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const response = await send(`${url}${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }), ...(signal === undefined ? {} : { signal }) });
    const answer = await readJson(response);
    if (!response.ok) throw toError(answer, response.status);
    return answer;
  };
  const client: Client = {
    submit: async (agent, input, { key, priority } = {}) => (await request("POST", "/api/v1/tasks", { agent, input: input ?? null, key, priority })) as unknown as { taskId: string; created: boolean },
    task: async (taskId) => (await request("GET", `/api/v1/tasks/${encodeURIComponent(taskId)}`)) as unknown as TaskView,
    async result(taskId, { signal } = {}) {
      for (;;) {
        const task = (await request("GET", `/api/v1/tasks/${encodeURIComponent(taskId)}?wait=${waitPerRequest}`, undefined, signal)) as unknown as TaskView;
        if (task.status === "done") return task;
        if (task.status === "dead") throw new LonghaulError("TASK_DEAD", `${task.agent} died (${task.reason ?? "unknown"}): ${task.message ?? ""}`, { details: { taskId, reason: task.reason } });
        if (task.status === "canceled") throw new LonghaulError("TASK_CANCELED", `The task ${taskId} was canceled: ${task.reason ?? ""}`, { details: { taskId } });
      }
    },
    cancel: async (taskId, reason) => field(await request("POST", `/api/v1/tasks/${encodeURIComponent(taskId)}/cancel`, { reason }), "canceled"),
    signal: async (runId, name, payload = null) => field(await request("POST", `/api/v1/runs/${encodeURIComponent(runId)}/signals/${encodeURIComponent(name)}`, { payload }), "delivered"),
  };
  return client;
}

function field(answer: Json, name: string): boolean {
  return isJsonObject(answer) && answer[name] === true;
}

async function send(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new LonghaulError("CLIENT_UNREACHABLE", `Nobody answers at ${url}: ${messageOf(error)}. Start the team with \`longhaul start\`.`, { retry: "backoff", cause: error });
  }
}

/** Something between here and the team may answer in its place, with a page for people. */
async function readJson(response: Response): Promise<Json> {
  const text = await response.text();
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new LonghaulError("CLIENT_REFUSED", `${response.url} answered HTTP ${response.status} with something else than JSON: ${text.slice(0, 200)}. Check that a team listens there.`, { cause: error, details: { status: response.status } });
  }
}

function toError(answer: Json, status: number): LonghaulError {
  const error = isJsonObject(answer) && isJsonObject(answer["error"]) ? answer["error"] : {};
  const { code, message } = error;
  const known = typeof code === "string" && Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : "CLIENT_REFUSED";
  return new LonghaulError(known, typeof message === "string" ? message : `The team answered with HTTP ${status}.`, { details: { status } });
}

function readEndpoint(dataDirectory: string): { readonly url: string; readonly token: string } {
  const path = resolvePath(dataDirectory);
  try {
    const { url } = JSON.parse(readFileSync(join(path, "endpoint.json"), "utf8")) as { readonly url: string };
    return { url, token: readFileSync(join(path, "token"), "utf8").trim() };
  } catch (error) {
    throw new LonghaulError("CLIENT_UNREACHABLE", `No team runs on ${path}: ${messageOf(error)}. Start it with \`longhaul start\`, or give another data directory.`, { cause: error });
  }
}
