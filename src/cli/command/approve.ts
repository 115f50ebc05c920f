import { cutText } from "../../base/cut-text.ts";
import { quote } from "../../base/quote.ts";
import { shellWord } from "../../base/shell-word.ts";
import { toQuestionView } from "../../http/question-view.ts";
import type { Decision } from "../../run/question.ts";
import type { AnswerOptions } from "../../runtime/answer-question.ts";
import type { OpenQuestion } from "../../runtime/open-questions.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import { openControl } from "../open-control.ts";
import { questionsOf, withView } from "../open-view.ts";
import type { Output } from "../output.ts";
import { printableLine } from "../printable.ts";
import { findPresence } from "../team-presence.ts";

const consequences: Readonly<Record<Decision, string>> = { allow: "is made", deny: "is not made, and the model is told so", happened: "counts as done", retry: "is made again", fail: "counts as failed" };

/** Decides one call that waits for a person. @throws {TASK_STATE} when none waits for it in this run, or several do and none is named. */
export async function runApprove(context: CommandContext, runId: string, decision: Decision, options: AnswerOptions): Promise<ExitCode> {
  const isRunning = await withView(context, async (view) => (await findPresence(view, context.clock.now())).isRunning);
  const answered = await (await openControl(context)).approve(runId, decision, options);
  context.output.data({ runId, decision, answered });
  context.output.say(`The call${options.call === undefined ? "" : ` ${printableLine(options.call)}`} of ${runId} ${consequences[decision]}.${isRunning ? "" : " The team does not run: the run goes on when it starts."}`);
  return 0;
}

/** What waits for a person's word. */
export function listApprovals(context: CommandContext): Promise<ExitCode> {
  return withView(context, async (view) => {
    const { output } = context;
    const questions = await questionsOf(view);
    for (const question of questions) output.data(toQuestionView(question));
    if (questions.length === 0) output.say("Nothing waits for a decision.");
    for (const question of questions) output.quote(...describeQuestion(question, { output, isAlone: questions.filter(({ runId }) => runId === question.runId).length === 1 }), "");
    return 0;
  });
}

/** Characters of the arguments of a call that people are shown. */
const argumentsShownMax = 2_000;

function describeArguments({ runId, arguments: given }: OpenQuestion, placed: Output["placed"]): readonly string[] {
  if (given === null) return [placed(`  Its arguments are not kept any more. See the run: longhaul show ${runId}`)];
  const text = quote(given);
  const shown = `  arguments: ${cutText(text, argumentsShownMax)}`;
  return text.length <= argumentsShownMax ? [shown] : [shown, placed("  These are not all of the arguments. See all before you decide: longhaul approve --json")];
}

/** Of a call that may have happened a person looks outside: at the time of the call, which may be long before the question. */
function describeCall({ task, kind, tool, calledAt, askedAt, until }: OpenQuestion, style: Output["style"]): string {
  const bold = (verb: string): string => style("bold", printableLine(`${task.agent} ${verb} ${tool ?? "a tool"}`));
  if (kind === "permission") return `${bold("wants to call")} since ${askedAt}${until === null ? "" : `, until ${until}`}.`;
  if (calledAt !== null) return `${bold("called")} at ${calledAt}, and it is not known whether it happened. Asked at ${askedAt}.`;
  return `${bold("may have called")} at some time before ${askedAt}, when this was asked: when, and whether it happened, is not known.`;
}

function describeQuestion(question: OpenQuestion, { output: { style, placed }, isAlone }: { readonly output: Output; readonly isAlone: boolean }): readonly string[] {
  const { task, kind, reason, late, runId, call } = question;
  const type = placed(`longhaul approve ${runId}`);
  // A permission is for what is shown here: should the run ask something else meanwhile, it is not answered by this.
  const named = kind === "permission" || !isAlone ? ` --call ${shellWord(call)}` : "";
  return [
    describeCall(question, style),
    ...describeArguments(question, placed),
    ...(reason === null ? [] : [`  ${placed(printableLine(reason))}`]),
    ...(late === null ? [] : [`  ${printableLine(late)}`]),
    `  task ${task.id}, call ${printableLine(call)}`,
    ...(kind === "permission"
      ? [`  Allow it:  ${type} --allow${named}`, `  Deny it:   ${type} --deny '<why>'${named}`]
      : [`  It happened:      ${type} --happened${named === "" ? " ['<its result as JSON>']" : ` '<its result as JSON>'${named}`}`, `  Make it again:    ${type} --retry${named}`, `  Count as failed:  ${type} --fail${named}`]),
  ];
}
