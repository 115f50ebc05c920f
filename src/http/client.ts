import { readFileSync } from "node:fs";
import { join, resolve as resolvePath } from "node:path";
import { sleep, systemClock } from "../base/clock.ts";
import { type Duration, formatDuration, parseDuration } from "../base/duration.ts";
import { isLonghaulError, LonghaulError, messageOf } from "../base/error.ts";
import { isJsonObject, type Json } from "../base/json.ts";
import { fromErrorBody } from "./error-body.ts";
import type { Decision } from "../run/question.ts";
import type { QuestionView } from "./question-view.ts";
import type { TaskView } from "./task-view.ts";

export type { Decision } from "../run/question.ts";
export type { QuestionView } from "./question-view.ts";
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

/** Options of `client.result`. */
export interface ResultOptions {
  readonly signal?: AbortSignal;
  /** How long the team may give no answer, as while it is restarted, until waiting is given up. Default 5 min. */
  readonly unreachableFor?: Duration;
}

/** A connection to a running team, made by `createClient`. */
export interface Client {
  /** Starts a task, or finds the one that holds the key. */
  submit(agent: string, input: unknown, options?: SubmitOptions): Promise<{ readonly taskId: string; readonly created: boolean }>;
  task(taskId: string): Promise<TaskView>;
  /** Waits until the task ends, also while the team is restarted, and returns it with its output. @throws {TASK_DEAD} {TASK_CANCELED} {CLIENT_UNREACHABLE} */
  result(taskId: string, options?: ResultOptions): Promise<TaskView>;
  cancel(taskId: string, reason?: string): Promise<boolean>;
  /** Queues a dead, canceled or parked task again; its new run begins at the first step. @throws {TASK_STATE} */
  restart(taskId: string): Promise<TaskView>;
  /** Begins a new run of a task or run that is over, or parked; steps numbered below `from` are served from the other run. @throws {TASK_STATE} {OPTION_INVALID} */
  fork(id: string, from: number): Promise<ForkAnswer>;
  /** Lets a task go on whose code no longer takes the steps that its journal holds. @throws {TASK_STATE} */
  skip(taskId: string): Promise<SkipAnswer>;
  /** Answers a `ctx.waitFor` of a run. False when the run has ended. */
  signal(runId: string, name: string, payload?: unknown): Promise<boolean>;
  /** The calls that wait for a person's word, the oldest first. */
  approvals(): Promise<readonly QuestionView[]>;
  /** Lets a person's word decide one call of a run. It counts once, for this call with these arguments. @throws {TASK_STATE} when no call waits for it, or several do and `call` names none. */
  approve(runId: string, decision: Decision, options?: ApproveOptions): Promise<void>;
}

/** Options of `client.approve`. */
export interface ApproveOptions {
  /** Which call is meant, as `approvals` names it. Needed when the run waits for several. */
  readonly call?: string;
  /** Of `deny`: why. The model is told. */
  readonly reason?: string;
  /** Of `happened`: what the call returned. */
  readonly result?: unknown;
  /** Who decides, for the record. Whoever has the token can say anything here. */
  readonly by?: string;
}

/** What came of `client.fork`. */
export interface ForkAnswer {
  readonly task: TaskView;
  /** True for a task of its own, as of a done task; false when the task itself goes on with a new run. */
  readonly created: boolean;
  /** The run whose steps are served, and how many. */
  readonly ofRun: string;
  readonly served: number;
}

/** What came of `client.skip`. */
export interface SkipAnswer {
  readonly task: TaskView;
  /** The step that the journal held next, and what the code asked for instead. */
  readonly expected: string;
  readonly came: string;
}

const waitPerRequest = "30s";
const unreachableForDefault = "5m";
/** Between two questions to a team that does not answer. */
const pauseMs = 250;
/** A team that starts or ends, and what a proxy says of one that is gone. */
const goneStatuses: readonly unknown[] = [502, 503, 504];

/** Submits work to a running team and waits for results. */
export function createClient(options: ClientOptions): Client {
  // A team that was restarted may listen on another port: it is looked up for each request.
  const locate = () => ("url" in options ? options : readEndpoint(options.dataDirectory));
  locate();
  const request = async (method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Json> => {
    const { url, token } = locate();
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    return send(`${url}${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }), ...(signal === undefined ? {} : { signal }) });
  };
  const client: Client = {
    submit: async (agent, input, { key, priority } = {}) => (await request("POST", "/api/v1/tasks", { agent, input: input ?? null, key, priority })) as unknown as { taskId: string; created: boolean },
    task: async (taskId) => (await request("GET", `/api/v1/tasks/${encodeURIComponent(taskId)}`)) as unknown as TaskView,
    async result(taskId, { signal, unreachableFor = unreachableForDefault } = {}) {
      const goneMsMax = parseDuration(unreachableFor, "unreachableFor");
      const path = `/api/v1/tasks/${encodeURIComponent(taskId)}?wait=${waitPerRequest}`;
      for (;;) {
        const task = (await whileGone(() => request("GET", path, undefined, signal), goneMsMax, signal)) as unknown as TaskView;
        if (task.status === "done") return task;
        if (task.status === "dead") throw new LonghaulError("TASK_DEAD", `${task.agent} died (${task.reason ?? "unknown"}): ${task.message ?? ""}`, { details: { taskId, reason: task.reason } });
        if (task.status === "canceled") throw new LonghaulError("TASK_CANCELED", `The task ${taskId} was canceled: ${task.reason ?? ""}`, { details: { taskId } });
      }
    },
    cancel: async (taskId, reason) => field(await request("POST", `/api/v1/tasks/${encodeURIComponent(taskId)}/cancel`, { reason }), "canceled"),
    restart: async (taskId) => (await request("POST", `/api/v1/tasks/${encodeURIComponent(taskId)}/restart`)) as unknown as TaskView,
    fork: async (id, from) => (await request("POST", `/api/v1/tasks/${encodeURIComponent(id)}/fork`, { from })) as unknown as ForkAnswer,
    skip: async (taskId) => (await request("POST", `/api/v1/tasks/${encodeURIComponent(taskId)}/skip`)) as unknown as SkipAnswer,
    signal: async (runId, name, payload = null) => field(await request("POST", `/api/v1/runs/${encodeURIComponent(runId)}/signals/${encodeURIComponent(name)}`, { payload }), "delivered"),
    approvals: async () => ((await request("GET", "/api/v1/approvals")) as unknown as { readonly approvals: readonly QuestionView[] }).approvals,
    approve: async (runId, decision, options = {}) => void (await request("POST", `/api/v1/runs/${encodeURIComponent(runId)}/approve`, { decision, ...options })),
  };
  return client;
}

function field(answer: Json, name: string): boolean {
  return isJsonObject(answer) && answer[name] === true;
}

/** Asks again as long as nobody answers, at most for `goneMsMax`. */
async function whileGone<T>(ask: () => Promise<T>, goneMsMax: number, signal: AbortSignal | undefined): Promise<T> {
  const sinceMs = systemClock.monotonicMs();
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const isGone = isLonghaulError(error) && (error.code === "CLIENT_UNREACHABLE" || goneStatuses.includes(error.details["status"]));
      if (!isGone || signal?.aborted) throw error;
      const goneMs = systemClock.monotonicMs() - sinceMs;
      if (goneMs >= goneMsMax) {
        throw new LonghaulError("CLIENT_UNREACHABLE", `The team gave no answer for ${formatDuration(goneMs)}. Start it with \`longhaul start team.ts\` and ask again: the task is kept. Last: ${error.message}`, { retry: "backoff", cause: error });
      }
      await sleep(systemClock, pauseMs, signal);
    }
  }
}

async function send(url: string, init: RequestInit): Promise<Json> {
  try {
    const response = await fetch(url, init);
    const answer = parseAnswer(response, await response.text());
    if (!response.ok) throw fromErrorBody(answer, response.status, response.headers.get("retry-after"));
    return answer;
  } catch (error) {
    if (isLonghaulError(error) || init.signal?.aborted) throw error;
    throw new LonghaulError("CLIENT_UNREACHABLE", `Nobody answers at ${url}: ${messageOf(error)}. Start the team with \`longhaul start team.ts\`.`, { retry: "backoff", cause: error });
  }
}

/** Something between here and the team may answer in its place, with a page for people. */
function parseAnswer(response: Response, text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new LonghaulError("CLIENT_REFUSED", `${response.url} answered HTTP ${response.status} with something else than JSON: ${text.slice(0, 200)}. Check that a team listens there.`, { cause: error, details: { status: response.status } });
  }
}

function readEndpoint(dataDirectory: string): { readonly url: string; readonly token: string } {
  const path = resolvePath(dataDirectory);
  try {
    const { url } = JSON.parse(readFileSync(join(path, "endpoint.json"), "utf8")) as { readonly url: string };
    return { url, token: readFileSync(join(path, "token"), "utf8").trim() };
  } catch (error) {
    throw new LonghaulError("CLIENT_UNREACHABLE", `No team runs on ${path}: ${messageOf(error)}. Start it with \`longhaul start team.ts\`, or give another data directory.`, { cause: error });
  }
}
