import type { Json } from "../base/json.ts";
import type { ForkAnswer, SkipAnswer } from "../http/client.ts";
import { type TaskView, toTaskView } from "../http/task-view.ts";
import type { BreakerDecision } from "../policy/breaker-desk.ts";
import type { Task } from "../record/task.ts";
import type { Decision } from "../run/question.ts";
import type { McpApproval } from "../runtime/mcp-pins.ts";
import type { AnswerOptions } from "../runtime/answer-question.ts";

/** What a person does to a team: over its socket while it runs, as owner of the data directory for a moment while it does not; on a cluster in its database. */
export interface Control {
  submit(task: { readonly agent: string; readonly input: Json; readonly key?: string; readonly priority?: number }): Promise<{ readonly taskId: string; readonly created: boolean }>;
  cancel(taskId: string, reason: string): Promise<boolean>;
  restart(taskId: string): Promise<TaskView>;
  fork(id: string, from: number): Promise<ForkAnswer>;
  skip(taskId: string): Promise<SkipAnswer>;
  /** How many waiting calls of the run were answered. */
  approve(runId: string, decision: Decision, options: AnswerOptions): Promise<number>;
  /** Keeps a dependency from being called for this reason, or has it called again (null). Returns the state before. */
  decideBreaker(dependency: string, isolateFor: string | null): Promise<string>;
  /** What an MCP server says of a tool now may be shown to models. Returns its hash. */
  approveMcpTool(approval: McpApproval): Promise<string>;
  /** The task at its end; `onOpen` is told how it stands when that takes longer. @throws {CLIENT_UNREACHABLE} when no team runs that would work on it. */
  result(taskId: string, onOpen: (task: TaskView) => void): Promise<TaskView>;
}

export function toBreakerDecision(isolateFor: string | null): BreakerDecision {
  return isolateFor === null ? "close" : { isolate: isolateFor };
}

/** As the team's HTTP interface says it. */
export function toAnswer<T extends { readonly task: Task }>(answer: T): Omit<T, "task"> & { readonly task: TaskView } {
  return { ...answer, task: toTaskView(answer.task) };
}
