import { LonghaulError } from "../base/error.ts";
import type { Json, JsonObject } from "../base/json.ts";
import type { OperableEngine } from "../engine/engine.ts";
import { isEnded, type Task } from "../record/task.ts";
import { effectSignalPrefix, permissionSignalPrefix } from "../run/parked.ts";
import { type Decision, kindOfDecision, listQuestions, type Question, type QuestionKind, type Word } from "../run/question.ts";

/** Characters of the reason of a denial, of the name of a call, and of the name of whoever decides. */
export const denialLengthMax = 1_000;
export const callLengthMax = 1_000;
export const byLengthMax = 100;

/** What goes with a decision. */
export interface AnswerOptions {
  /** Of `happened`: what the call returned. */
  readonly result?: Json;
  /** Of `deny`: why; the model is told. */
  readonly reason?: string;
  /** Which call is meant, by the id that the model gave it, by the name of its step or by the key of that step. Needed when the run waits for several. */
  readonly call?: string;
  /** Which way it came: "cli", "api". */
  readonly source?: string;
  /** Who says that they decided. Nobody checks it. */
  readonly by?: string;
}

export interface AnswerPlan {
  readonly engine: Pick<OperableEngine, "get" | "steps" | "signal" | "taskOfRun">;
  readonly nowMs: number;
  /** Tells this answer from all others. */
  readonly id: string;
}

/** What follows is the key of the step that asked: of no other question of any run. */
const signalPrefixOf: Readonly<Record<QuestionKind, string>> = { permission: permissionSignalPrefix, "unknown-effect": effectSignalPrefix };
const flagsOf: Readonly<Record<QuestionKind, string>> = { permission: "--allow or --deny", "unknown-effect": "--happened, --retry or --fail" };

/**
 * Answers the one question that is meant, once: who comes second is told what the first one said.
 * @throws {TASK_STATE} when no such question is open, and when several are and none is named. @throws {OPTION_INVALID}
 */
export async function answerQuestion({ engine, nowMs, id }: AnswerPlan, runId: string, decision: Decision, { result = null, reason, call, source, by }: AnswerOptions): Promise<void> {
  assertShort("reason", reason, denialLengthMax);
  assertShort("by", by, byLengthMax);
  if (reason !== undefined && decision !== "deny") throw unused("reason", "deny", decision);
  if (result !== null && decision !== "happened") throw unused("result", "happened", decision);
  const steps = await engine.steps(runId);
  if (steps.length === 0) assertNoTask(await engine.get(runId), decision);
  const question = findOpen(runId, listQuestions(steps), { kind: kindOfDecision(decision), call, nowMs });
  const { signal, permission } = question;
  const bound = permission === null ? {} : { callId: permission.callId, argumentsHash: permission.argumentsHash };
  const payload: JsonObject = { decision, result, reason: reason ?? null, source: source ?? null, by: by ?? null, id, runId, signal, ...bound };
  if (!(await engine.signal(runId, signal, payload, `decision:${signal}`))) throw runIsOver(runId, await engine.taskOfRun(runId));
  const { answer = null } = listQuestions(await engine.steps(runId)).find((other) => other.signal === signal) ?? {};
  if (answer === "expired" || (answer !== null && answer.id !== id)) throw answeredBefore(runId, question, answer);
}

/** Lists show both ids. */
function assertNoTask(task: Task | null, decision: Decision): void {
  if (task === null) return;
  throw refusal(`${task.id} is a task, and an answer is given to its run. ${task.runId === null ? "It has none yet" : `Type: longhaul approve ${task.runId} --${decision}`}`);
}

function assertShort(field: string, text: string | undefined, lengthMax: number): void {
  if (text !== undefined && text.length > lengthMax) throw new LonghaulError("OPTION_INVALID", `${field} has ${text.length} characters. Use at most ${lengthMax}.`);
}

function unused(field: string, of: Decision, decision: Decision): LonghaulError {
  return new LonghaulError("OPTION_INVALID", `${field} belongs to the decision "${of}", and this one is "${decision}". Leave it out.`);
}

interface Meant {
  readonly kind: QuestionKind;
  readonly call: string | undefined;
  readonly nowMs: number;
}

function findOpen(runId: string, all: readonly Question[], { kind, call, nowMs }: Meant): Question {
  const named = call === undefined ? all : all.filter((question) => question.callId === call || question.asked.name === call || keyOf(question) === call);
  const undecided = named.filter(({ isDecided }) => !isDecided);
  const open = undecided.filter((question) => question.answer === null && !isOver(question, nowMs));
  const [first, second] = open.filter((question) => question.kind === kind);
  if (first !== undefined && second === undefined) return first;
  if (first !== undefined) throw refusal(`Run ${runId} waits for several calls: ${nameCalls(open.filter((question) => question.kind === kind))}. Name the one that you mean with --call`);
  const [other] = open;
  if (other !== undefined) throw refusal(`The call ${other.callId} of run ${runId} waits for another answer: ${flagsOf[other.kind]}. See it with \`longhaul approve\``);
  const last = (undecided.length > 0 ? undecided : named).findLast((question) => question.kind === kind);
  if (last !== undefined) throw answeredBefore(runId, last, last.answer ?? "expired");
  const which = call === undefined ? "no call" : `no call ${JSON.stringify(call)}`;
  throw refusal(`Run ${runId} has ${which} that waits for a decision. See what waits with \`longhaul approve\`, and the run with \`longhaul show ${runId}\``);
}

function isOver({ permission }: Question, nowMs: number): boolean {
  return permission !== null && nowMs >= permission.untilMs;
}

/** By what the person who answers can name them: a provider that gives one id twice in a run is met by the name of the step, one that does so in a turn by its key. */
function nameCalls(questions: readonly Question[]): string {
  const names = [questions.map(({ callId }) => callId), questions.map(({ asked }) => asked.name)];
  return (names.find((all) => new Set(all).size === all.length) ?? questions.map(keyOf)).join(", ");
}

function keyOf({ kind, signal }: Question): string {
  return signal.slice(signalPrefixOf[kind].length);
}

function answeredBefore(runId: string, { callId, permission }: Question, answer: Word | "expired"): LonghaulError {
  if (answer === "expired") return refusal(`The question about the call ${callId} of run ${runId} was over${permission === null ? "" : ` at ${new Date(permission.untilMs).toISOString()}`}: nobody had answered it, and nothing was allowed. See the run with \`longhaul show ${runId}\``);
  return refusal(`The question about the call ${callId} of run ${runId} was answered before: ${answer.decision}${describeSender(answer)}. An answer counts once. See the run with \`longhaul show ${runId}\``);
}

function describeSender({ by, source }: Word): string {
  if (by === null && source === null) return "";
  return by === null ? `, over ${source}` : `, by ${by}${source === null ? "" : ` over ${source}`}`;
}

/** Its question may have gone on to another run of the task. */
function runIsOver(runId: string, task: Task | null): LonghaulError {
  const now = task === null || isEnded(task.status) || task.runId === null || task.runId === runId ? `task ${task?.id} is ${task?.status}` : `task ${task.id} goes on with run ${task.runId}. Type: longhaul approve ${task.runId}`;
  return refusal(`Run ${runId} is over, so that nothing of it waits for a decision: ${now}`);
}

function refusal(message: string): LonghaulError {
  return new LonghaulError("TASK_STATE", `${message}.`);
}
