import { canonicalJson, hashOf, isJsonObject, type Json } from "../base/json.ts";
import type { CompletedStep } from "../record/step.ts";
import { type Parked, parseParked, type PermissionQuestion } from "./parked.ts";

/** What a person says of a call of which nobody knows whether it happened. */
export type EffectDecision = "happened" | "retry" | "fail";
/** What a person says of a call that waits to be allowed. */
export type PermissionDecision = "allow" | "deny";
export type Decision = EffectDecision | PermissionDecision;

const decisionsOf: Readonly<Record<QuestionKind, readonly unknown[]>> = { "unknown-effect": ["happened", "retry", "fail"], permission: ["allow", "deny"] };

/** Whether an interrupted call happened, or whether a call may be made. */
export type QuestionKind = "unknown-effect" | "permission";

/** What code waits under for a person's word, and notes it under, behind the name of the call. */
export const decisionSuffix = "/decision";
export const decidedSuffix = "/decided";

/** A person's word as a signal carries it. Everything but the decision is null where an earlier version sent it. */
export interface Word {
  readonly decision: Decision;
  /** Of `happened`: what the call returned. */
  readonly result: Json;
  /** Why a call is denied. */
  readonly reason: string | null;
  /** Which way it came: "cli", "api"; and who said that they sent it. */
  readonly source: string | null;
  readonly by: string | null;
  /** Tells this answer from another one to the same question. */
  readonly id: string | null;
  /** The run in which it was given: a run that begins with this one's steps does not do under it what this one did. */
  readonly runId: string | null;
}

/** A question that a call came to, and the word that ended its wait. */
export interface Question {
  readonly asked: CompletedStep;
  readonly kind: QuestionKind;
  readonly signal: string;
  /** What the model named the call. */
  readonly callId: string;
  readonly permission: PermissionQuestion | null;
  /** Null: nobody has answered. "expired": nobody did in time. */
  readonly answer: Word | "expired" | null;
  /** True when the run has gone on with the answer. */
  readonly isDecided: boolean;
}

/** What a permission is bound to: the same for the same data, whatever the order of its fields. */
export function hashArguments(input: Json): string {
  return hashOf(canonicalJson(input));
}

/** The kind of question that a parked call waits for, null when it waits for something else. */
function questionKindOf({ parked, permission }: Parked): QuestionKind | null {
  if (parked === "unknown-effect") return "unknown-effect";
  return parked === "human" && permission !== undefined ? "permission" : null;
}

export function kindOfDecision(decision: Decision): QuestionKind {
  return decisionsOf.permission.includes(decision) ? "permission" : "unknown-effect";
}

/** The word in a signal's payload; null when it answers something else: another kind of question, another call, other arguments. */
export function readWord(payload: Json, kind: QuestionKind, permission: PermissionQuestion | null): Word | null {
  if (!isJsonObject(payload) || !decisionsOf[kind].includes(payload["decision"])) return null;
  const { decision, result, callId, argumentsHash } = payload;
  if (permission !== null && (callId !== permission.callId || argumentsHash !== permission.argumentsHash)) return null;
  return { decision: decision as Decision, result: result ?? null, reason: textOf(payload["reason"]), source: textOf(payload["source"]), by: textOf(payload["by"]), id: textOf(payload["id"]), runId: textOf(payload["runId"]) };
}

/** All questions of a run, in the order in which they were asked; also of steps that were taken in another run and served in this one. */
export function listQuestions(steps: readonly CompletedStep[]): readonly Question[] {
  return steps.flatMap((asked) => {
    const parked = parkedOf(asked);
    const kind = parked === null ? null : questionKindOf(parked);
    if (parked === null || kind === null) return [];
    const permission = parked.permission ?? null;
    const decided = decisionOn(steps, asked);
    return [{ asked, kind, signal: parked.signal ?? "", callId: permission?.callId ?? callIdOf(asked.name), permission, answer: answerTo(steps, asked, { kind, permission, decided }), isDecided: decided !== undefined }];
  });
}

/** A wait of a question ends at its time, by clocks that may differ by this much. */
const clockSkewMs = 5_000;

/** What was waited for under the name of its call after a question, and before it was decided, was its answer, unless it says that it is another one's. */
function answerTo(steps: readonly CompletedStep[], asked: CompletedStep, { kind, permission, decided }: Pick<Question, "kind" | "permission"> & { readonly decided: CompletedStep | undefined }): Question["answer"] {
  const waits = steps.filter(({ kind: stepKind, name, number }) => stepKind === "wait" && name === `${asked.name}${decisionSuffix}` && number > asked.number && number < (decided?.number ?? Number.POSITIVE_INFINITY));
  for (const { outcome, completedAtMs } of waits) {
    if (!outcome.ok || !isJsonObject(outcome.value)) continue;
    const payload = outcome.value["payload"] ?? null;
    if (isOfAnother(payload, asked)) continue;
    // Two calls of one id may wait at once: the time of the one may be over, and that of the other not.
    if (permission !== null && completedAtMs >= permission.untilMs - (outcome.value["by"] === "timer" ? clockSkewMs : 0)) return "expired";
    const word = readWord(payload, kind, permission);
    if (word !== null) return word;
  }
  return null;
}

/** An answer names its question; one of an earlier version does not. */
function isOfAnother(payload: Json, asked: CompletedStep): boolean {
  const signal = isJsonObject(payload) ? textOf(payload["signal"]) : null;
  return signal !== null && signal !== parkedOf(asked)?.signal;
}

/** What the step is worth that notes a decision: which question it ended, and what the call came to by what is known of it. */
export function decidedToJson(signal: string | null, result: Json): Json {
  return { decided: signal, result };
}

/** An earlier version noted the result alone. */
export function parseDecided(value: Json): { readonly signal: string | null; readonly result: Json } {
  return isJsonObject(value) && "decided" in value ? { signal: textOf(value["decided"]), result: value["result"] ?? null } : { signal: null, result: value };
}

/** What notes the word of a person about this question; undefined while there is none. What an earlier version noted names no question: it ended the nth one that was asked under its name. */
export function decisionOn(steps: readonly CompletedStep[], asked: CompletedStep): CompletedStep | undefined {
  const notes = steps.filter(({ kind, name }) => kind === "code" && name === `${asked.name}${decidedSuffix}`);
  const signal = parkedOf(asked)?.signal ?? null;
  const named = notes.find((note) => signal !== null && signalOf(note) === signal);
  if (named !== undefined) return named;
  const before = steps.filter((step) => step.name === asked.name && step.occurrence < asked.occurrence && isQuestion(step)).length;
  return notes.find((note) => note.occurrence === before + 1 && signalOf(note) === null);
}

function signalOf({ outcome }: CompletedStep): string | null {
  return outcome.ok ? parseDecided(outcome.value).signal : null;
}

/** True for a call that came to a question. */
export function isQuestion(step: CompletedStep): boolean {
  const parked = parkedOf(step);
  return parked !== null && questionKindOf(parked) !== null;
}

/** "c1" of the step "t3/tool/c1", and of "tool/c1". */
export function callIdOf(stepName: string): string {
  return stepName.replace(/^(t\d+\/)?tool\//, "");
}

function parkedOf({ kind, outcome }: CompletedStep): Parked | null {
  return kind === "tool" && outcome.ok ? parseParked(outcome.value) : null;
}

function textOf(value: Json | undefined): string | null {
  return typeof value === "string" ? value : null;
}
