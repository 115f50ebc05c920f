import type { JsonObject } from "../base/json.ts";
import type { QuestionKind } from "../run/question.ts";
import type { OpenQuestion } from "../runtime/open-questions.ts";

/** A call that waits for a person's word, as applications see it. Instants are ISO-8601 in UTC. */
export interface QuestionView {
  readonly runId: string;
  readonly taskId: string;
  readonly agent: string;
  /** `permission`: may it be made? `unknown-effect`: did it happen? */
  readonly kind: QuestionKind;
  /** Names the call in its run. */
  readonly call: string;
  readonly tool: string | null;
  readonly arguments: JsonObject | null;
  readonly reason: string | null;
  /** What the call came to after all, when nobody waited for it any more; null while nothing is known. */
  readonly late: string | null;
  readonly askedAt: string;
  /** When nobody can allow it any more; null of a question that waits for as long as its task. */
  readonly until: string | null;
}

export function toQuestionView({ task, ...question }: OpenQuestion): QuestionView {
  const { runId, kind, call, tool, reason, late, askedAt, until } = question;
  return { runId, taskId: task.id, agent: task.agent, kind, call, tool, arguments: question.arguments, reason, late, askedAt, until };
}
