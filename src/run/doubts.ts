import { LonghaulError } from "../base/error.ts";
import type { Doubt, Outcome } from "../record/task.ts";

/** The doubts that are not accepted. Undefined accepts anything. */
export function refusedDoubts(doubts: Iterable<Doubt>, accepts: readonly Outcome[] | undefined): readonly Doubt[] {
  return accepts === undefined ? [] : [...doubts].filter((doubt) => !accepts.includes(doubt));
}

/** Refuses an agent work that comes from outputs that it does not accept. @throws {OUTCOME_NOT_ACCEPTED} */
export function assertAccepted(agent: string, doubts: Iterable<Doubt>, accepts: readonly Outcome[] | undefined): void {
  const refused = refusedDoubts(doubts, accepts);
  if (refused.length === 0) return;
  const message = `${agent} does not accept input from ${listDoubts(refused)} outputs of other tasks. ${remedyFor(refused, `the accepts of ${agent}`)}`;
  throw new LonghaulError("OUTCOME_NOT_ACCEPTED", message, { details: { agent, refused } });
}

/** What a model and people are told of a call that is not made. */
export function describeRefusedTool(tool: string, refused: readonly Doubt[]): string {
  return `OUTCOME_NOT_ACCEPTED: ${tool} was not called. What it does cannot be taken back, and this task works with ${listDoubts(refused)} outputs of other tasks. ${remedyFor(refused, `the accepts of the tool`)}`;
}

export function listDoubts(doubts: readonly Outcome[]): string {
  return doubts.join(" and ");
}

function remedyFor(refused: readonly Doubt[], where: string): string {
  return `Let a verify accept what is handed on, or name it in ${where}: accepts: ${JSON.stringify(refused)}.`;
}
