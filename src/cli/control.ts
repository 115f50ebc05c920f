import { existsSync } from "node:fs";
import { sleep } from "../base/clock.ts";
import { isLonghaulError, LonghaulError } from "../base/error.ts";
import { isJsonObject, type Json } from "../base/json.ts";
import { type TaskView, toTaskView } from "../http/task-view.ts";
import { assertSocketFolder, dataDirectory } from "../runtime/data-directory.ts";
import { openOfflineTeam } from "../runtime/offline-team.ts";
import type { EffectDecision, Operations } from "../runtime/operations.ts";
import type { CommandContext } from "./command-context.ts";
import { noTeamEver } from "./open-view.ts";
import { askOverSocket } from "./socket-client.ts";

/** What a person does to a team: over its socket while it runs, as owner of the data directory for a moment while it does not. */
export interface Control {
  submit(task: { readonly agent: string; readonly input: Json; readonly key?: string; readonly priority?: number }): Promise<{ readonly taskId: string; readonly created: boolean }>;
  cancel(taskId: string, reason: string): Promise<boolean>;
  restart(taskId: string): Promise<TaskView>;
  /** How many waiting calls of the run were answered. */
  approve(runId: string, decision: EffectDecision, result: Json): Promise<number>;
  /** The task at its end; `onOpen` is told how it stands when that takes longer. @throws {CLIENT_UNREACHABLE} when no team runs that would work on it. */
  result(taskId: string, onOpen: (task: TaskView) => void): Promise<TaskView>;
}

/** Others may own the data directory for a moment too: this long is tried. */
const patienceMs = 15_000;
const pauseMs = 100;
/** People who wait for a task want to know early why it takes long. */
const firstWait = "3s";
const laterWait = "30s";

export function createControl(context: CommandContext): Control {
  const directory = dataDirectory(context.data);
  assertSocketFolder(directory);
  const ask = (method: "GET" | "POST", path: string, body?: Json): Promise<Json | null> =>
    askOverSocket({ socketPath: directory.socket, method, path, ...(body === undefined ? {} : { body }) });

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
        if (!isLonghaulError(error) || error.code !== "ENGINE_OWNED" || context.clock.monotonicMs() > untilMs) throw error;
        await sleep(context.clock, pauseMs * (0.5 + context.random.next()));
      }
    }
  };

  return {
    submit: (task) => run("/api/v1/tasks", task, (answer) => answer as { taskId: string; created: boolean }, (operations) => operations.submit({ ...task, source: "cli" })),
    cancel: (taskId, reason) => run(`/api/v1/tasks/${encodeURIComponent(taskId)}/cancel`, { reason }, (answer) => isJsonObject(answer) && answer["canceled"] === true, (operations) => operations.cancel(taskId, reason)),
    restart: (taskId) => run(`/api/v1/tasks/${encodeURIComponent(taskId)}/restart`, {}, (answer) => answer as unknown as TaskView, async (operations) => toTaskView(await operations.restart(taskId))),
    approve: (runId, decision, result) =>
      run(`/api/v1/runs/${encodeURIComponent(runId)}/approve`, { decision, result }, (answer) => (isJsonObject(answer) ? Number(answer["answered"]) : 0), (operations) => operations.approve(runId, decision, result)),
    async result(taskId, onOpen) {
      for (let wait = firstWait; ; wait = laterWait) {
        const answer = await ask("GET", `/api/v1/tasks/${encodeURIComponent(taskId)}?wait=${wait}`);
        if (answer === null) throw new LonghaulError("CLIENT_UNREACHABLE", `No team runs on ${directory.path}, so nobody works on ${taskId}. It is kept. Type: longhaul start team.ts`);
        const task = answer as unknown as TaskView;
        if (task.status === "done" || task.status === "dead" || task.status === "canceled") return task;
        onOpen(task);
      }
    },
  };
}

async function whileOwning<T>({ data, clock, random }: CommandContext, body: (operations: Operations) => Promise<T>): Promise<T> {
  const offline = await openOfflineTeam({ dataDirectory: data, clock, random });
  try {
    return await body(offline.operations);
  } finally {
    await offline.close();
  }
}
