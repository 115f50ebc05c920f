import type { OpenQuestion } from "../runtime/open-questions.ts";

/** A call that waits for a person's word, as applications see it. Instants are ISO-8601 in UTC. */
export interface QuestionView extends Omit<OpenQuestion, "task"> {
  readonly taskId: string;
  readonly agent: string;
}

export function toQuestionView({ task, ...question }: OpenQuestion): QuestionView {
  const { runId, kind, call, tool, reason, late, calledAt, askedAt, until } = question;
  return { runId, taskId: task.id, agent: task.agent, kind, call, tool, arguments: question.arguments, reason, late, calledAt, askedAt, until };
}
