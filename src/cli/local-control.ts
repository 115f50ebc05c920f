import { existsSync } from "node:fs";
import { sleep } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import { isLonghaulError, LonghaulError } from "../base/error.ts";
import { isJsonObject, type Json } from "../base/json.ts";
import type { ForkAnswer, SkipAnswer } from "../http/client.ts";
import { type TaskView, toTaskView } from "../http/task-view.ts";
import { assertSocketFolder, dataDirectory } from "../runtime/data-directory.ts";
import { openOfflineTeam } from "../runtime/offline-team.ts";
import type { Operations } from "../runtime/operations.ts";
import type { CommandContext } from "./command-context.ts";
import { type Control, toAnswer, toBreakerDecision } from "./control.ts";
import { noTeamEver, withView } from "./open-view.ts";
import { askOverSocket } from "./socket-client.ts";
import { findPresence, type TeamPresence } from "./team-presence.ts";

/** Others may own the data directory for a moment too: this long is tried. */
const patienceMs = 15_000;
const pauseMs = 100;
/** A team that does not answer is looked at so often. */
const lookMs = 1_000;
/** No answer of a team that lives takes longer. */
const answerMsMax = 60_000;
/** People who wait for a task want to know early why it takes long. */
const firstWait = "3s";
const laterWait = "30s";

/** Control of a team in a data directory. */
export function createLocalControl(context: CommandContext): Control {
  const directory = dataDirectory(context.data);
  assertSocketFolder(directory);
  const ask = (method: "GET" | "POST", path: string, body?: Json): Promise<Json | null> =>
    whileAlive(context, (signal) => askOverSocket({ socketPath: directory.socket, method, path, signal, ...(body === undefined ? {} : { body }) }));

  /** Over the socket, else offline; whoever owns the data directory meanwhile is waited for. */
  const run = async <T>(path: string, body: Json, parse: (answer: Json) => T, offline: (operations: Operations) => Promise<T>): Promise<T> => {
    if (!existsSync(directory.database)) throw noTeamEver(context.data);
    const untilMs = context.clock.monotonicMs() + patienceMs;
    for (;;) {
      const answer = await ask("POST", path, body);
      if (answer !== null) return parse(answer);
      try {
        return await whileOwning(context, offline);
      } catch (error) {
        if (!isLonghaulError(error) || error.code !== "ENGINE_OWNED" || error.details["hangs"] === true || context.clock.monotonicMs() > untilMs) throw error;
        await sleep(context.clock, pauseMs * (0.5 + context.random.next()));
      }
    }
  };

  return {
    submit: (task) => run("/api/v1/tasks", task, (answer) => answer as { taskId: string; created: boolean }, (operations) => operations.submit({ ...task, source: "cli" })),
    cancel: (taskId, reason) => run(`/api/v1/tasks/${encodeURIComponent(taskId)}/cancel`, { reason }, (answer) => isJsonObject(answer) && answer["canceled"] === true, (operations) => operations.cancel(taskId, reason)),
    restart: (taskId) => run(`/api/v1/tasks/${encodeURIComponent(taskId)}/restart`, {}, (answer) => answer as unknown as TaskView, async (operations) => toTaskView(await operations.restart(taskId))),
    fork: (id, from) => run(`/api/v1/tasks/${encodeURIComponent(id)}/fork`, { from }, (answer) => answer as unknown as ForkAnswer, async (operations) => toAnswer(await operations.fork(id, from))),
    skip: (taskId) => run(`/api/v1/tasks/${encodeURIComponent(taskId)}/skip`, {}, (answer) => answer as unknown as SkipAnswer, async (operations) => toAnswer(await operations.skip(taskId))),
    approve: (runId, decision, { result = null, ...options }) =>
      run(
        `/api/v1/runs/${encodeURIComponent(runId)}/approve`, { decision, result, ...options }, (answer) => (isJsonObject(answer) ? Number(answer["answered"]) : 0),
        (operations) => operations.approve(runId, decision, result, { ...options, source: "cli" }),
      ),
    decideBreaker: (dependency, isolateFor) =>
      run("/api/v1/breakers", { dependency, ...(isolateFor === null ? { decision: "close" } : { decision: "isolate", reason: isolateFor }) }, (answer) => (isJsonObject(answer) ? String(answer["before"]) : ""), (operations) => operations.decideBreaker(dependency, toBreakerDecision(isolateFor), "cli")),
    approveMcpTool: (approval) => run("/api/v1/mcp/approve", { ...approval }, (answer) => (isJsonObject(answer) ? String(answer["approved"]) : ""), (operations) => operations.approveMcpTool(approval, "cli")),
    async result(taskId, onOpen) {
      for (let wait = firstWait; ; wait = laterWait) {
        const answer = await ask("GET", `/api/v1/tasks/${encodeURIComponent(taskId)}?wait=${wait}`);
        if (answer === null) throw new LonghaulError("CLIENT_UNREACHABLE", `Nobody works on ${taskId} in ${directory.path}. It is kept. ${(await withView(context, (view) => findPresence(view, context.clock.now()))).text}`);
        const task = answer as unknown as TaskView;
        if (task.status === "done" || task.status === "dead" || task.status === "canceled") return task;
        onOpen(task);
      }
    },
  };
}

/**
 * A process that hangs or was stopped accepts connections all the same, and would be waited for until it ends: it is given up when it has not renewed
 * its lease either.
 * @throws {CLIENT_UNREACHABLE} then, and when there is no answer within a minute.
 */
async function whileAlive<T>(context: CommandContext, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const sinceMs = context.clock.monotonicMs();
  let isOver = false;
  const look = async (): Promise<void> => {
    try {
      const presence = await withView(context, (view) => findPresence(view, context.clock.now()));
      const waitedMs = context.clock.monotonicMs() - sinceMs;
      if (presence.isSilent || !presence.isRunning || waitedMs >= answerMsMax) controller.abort(noAnswer(presence, waitedMs));
      else if (!isOver) timer = context.clock.setTimer(lookMs, () => void look());
    } catch (error) {
      controller.abort(error);
    }
  };
  let timer = context.clock.setTimer(lookMs, () => void look());
  try {
    return await ask(controller.signal);
  } finally {
    isOver = true;
    timer.cancel();
  }
}

function noAnswer({ text }: TeamPresence, waitedMs: number): LonghaulError {
  const message = `The team did not answer within ${formatDuration(waitedMs)}. ${text} Nobody knows whether it took this: look with \`longhaul ps\` before you type it again, and give tasks a --key.`;
  return new LonghaulError("CLIENT_UNREACHABLE", message, { retry: "backoff" });
}

async function whileOwning<T>({ data, clock, random }: CommandContext, body: (operations: Operations) => Promise<T>): Promise<T> {
  const offline = await openOfflineTeam({ dataDirectory: data, clock, random });
  try {
    return await body(offline.operations);
  } finally {
    await offline.close();
  }
}
