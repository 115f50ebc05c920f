import { orAborted } from "../base/abort.ts";
import { formatDuration } from "../base/duration.ts";
import { isJsonObject, type Json, type JsonObject } from "../base/json.ts";
import type { StepEnd, StepExecution } from "../engine/engine.ts";
import type { ToolCallPart } from "../record/message.ts";
import type { Doubt } from "../record/task.ts";
import type { ApprovalNeed, Tool, ToolResult } from "../tool/tool.ts";
import { type Parked, parkedToJson, permissionSignalPrefix, type PermissionQuestion } from "./parked.ts";
import { decidedSuffix, decidedToJson, decisionSuffix, hashArguments, readWord, type Word } from "./question.ts";
import { placeOf, recordWrite } from "./run-record.ts";
import type { RunScope } from "./run-services.ts";

/**
 * A person's permission for one call.
 *
 * Invariants:
 *  P1 a call that needs permission is not made without a word that names this call, these arguments and this run;
 *  P2 a word counts once: it covers this call and what is tried of it again, and nothing else;
 *  P3 what is not answered in time is not allowed, and neither is what was allowed and not begun in time: that is asked again;
 *  P4 where it cannot be found out whether a call needs permission, it does.
 */

/** One attempt of one call. */
export interface Attempt {
  readonly execution: StepExecution;
  /** The same at every attempt, also when a human has it made again. */
  readonly key: string;
  readonly call: ToolCallPart;
  /** Those of the run when it asked for the call. */
  readonly doubts: readonly Doubt[];
  /** Null: nobody has allowed it. */
  readonly permit: Permit | null;
}

/** A person's word that this call may be made. */
export interface Permit {
  readonly untilMs: number;
}

/** Null when the call may be made now; the result when it would fail anyway; else the end of the step, which leaves a question. */
export async function holdBack(scope: RunScope, attempt: Attempt, { approval, effect }: Tool): Promise<StepEnd | ToolResult | null> {
  const { execution, key, call, permit } = attempt;
  const { clock, store } = scope.services;
  if (approval === undefined || (permit !== null && clock.now() < permit.untilMs)) return null;
  // An intent says that this very call was let through before: what has to be found out is whether it happened.
  if (effect === "once" && (await orAborted(execution.signal, () => store.effects.isIntended(key)))) return null;
  const { task, runId } = scope.engine;
  const need = await approval.ask(call.input, { taskId: task.id, runId, agent: scope.worker.name, callId: call.callId, signal: execution.signal });
  if (need.need === "none") return null;
  if (need.need === "refused") return need.result;
  return ask(scope, attempt, approval.withinMs, need);
}

function ask(scope: RunScope, { execution, key, call, permit }: Attempt, withinMs: number, { why }: Extract<ApprovalNeed, { readonly need: "permission" }>): StepEnd {
  const { toolName, callId, input } = call;
  const signal = `${permissionSignalPrefix}${execution.idempotencyKey}`;
  const untilMs = scope.services.clock.now() + withinMs;
  const permission: PermissionQuestion = { toolName, callId, argumentsHash: hashArguments(input), untilMs, withinMs };
  const parked: Parked = { parked: "human", forMs: null, signal, effectKey: key, permission };
  const because = [why, permit === null ? null : "it was allowed before, and did not begin in time"].filter((text) => text !== null).join("; ");
  const write = recordWrite(scope, placeOf(execution), {
    event_type: "approval",
    tool_name: toolName,
    tool_args: isJsonObject(input) ? input : { input },
    result: "asked",
    reason: `${toolName} waits for a person to allow this call, until ${new Date(untilMs).toISOString()}${because === "" ? "" : ` (${because})`}: longhaul approve`,
    data: { signal, key, callId, argumentsHash: permission.argumentsHash, until: new Date(untilMs).toISOString() },
  });
  return { outcome: { ok: true, value: parkedToJson(parked) }, writes: [write] };
}

/** How a question ended: the call may be made, perhaps not under this word; or the model is told why not. */
export type PermissionEnd = { readonly permit: Permit | null } | { readonly result: Json };

/** Waits for a person's word or for the end of the time for it. Anything else that comes is not taken for one. */
export async function waitForPermission(scope: RunScope, name: string, call: ToolCallPart, { signal, permission }: Parked): Promise<PermissionEnd> {
  const { engine } = scope;
  if (signal === null || permission === undefined) return { permit: null };
  for (;;) {
    const end = await engine.wait({ name: `${name}${decisionSuffix}`, reason: "human", signal, timeoutMs: Math.max(1, permission.untilMs - engine.now()) });
    const answeredAtMs = engine.now();
    const isLate = end.by === "timer" || answeredAtMs >= permission.untilMs;
    const word = isLate ? null : readWord(end.payload, "permission", permission);
    if (!isLate && word === null) continue;
    await noteAnswer(scope, name, call, { signal, permission, word });
    if (word?.decision !== "allow") return { result: scope.services.hideSecrets<Json>({ ...refusalOf(call, permission, word) }) };
    // Changed code may make another call under the same name, and a fork of this run may come here again.
    return { permit: word.runId === engine.runId && isAbout(permission, call) ? { untilMs: answeredAtMs + permission.withinMs } : null };
  }
}

function isAbout({ toolName, callId, argumentsHash }: PermissionQuestion, call: ToolCallPart): boolean {
  return toolName === call.toolName && callId === call.callId && argumentsHash === hashArguments(call.input);
}

interface Answer {
  readonly signal: string;
  readonly permission: PermissionQuestion;
  /** Null: it came too late, or not at all. */
  readonly word: Word | null;
}

async function noteAnswer(scope: RunScope, name: string, { toolName }: ToolCallPart, { signal, permission, word }: Answer): Promise<void> {
  await scope.engine.step({ kind: "code", name: `${name}${decidedSuffix}` }, async (execution) => {
    const { callId, argumentsHash } = permission;
    const record = recordWrite(scope, placeOf(execution), {
      event_type: "approval",
      tool_name: toolName,
      result: word === null ? "expired" : word.decision === "allow" ? "allowed" : "denied",
      reason: word === null ? `nobody allowed it within its approvalWithin of ${formatDuration(permission.withinMs)}` : word.reason,
      data: { signal, callId, argumentsHash, ...senderOf(word) },
    });
    return { outcome: { ok: true, value: decidedToJson(signal, null) }, writes: [record] };
  });
}

/** Who answered, and which way it came, as far as it is known. */
export function senderOf(word: Word | null): JsonObject {
  if (word === null) return {};
  return { ...(word.source === null ? {} : { source: word.source }), ...(word.by === null ? {} : { by: word.by }) };
}

function refusalOf({ toolName }: ToolCallPart, { withinMs }: PermissionQuestion, word: Word | null): Extract<ToolResult, { readonly ok: false }> {
  const message =
    word === null
      ? `This call of ${toolName} needs a person's permission, and nobody gave it within ${formatDuration(withinMs)}. Go on without it, or say in your answer that it is needed.`
      : `A person did not allow this call of ${toolName}${word.reason === null || word.reason === "" ? "." : `: ${word.reason}`}`;
  return { ok: false, kind: "denied", message };
}
