import { orAborted, orTakenOver } from "../base/abort.ts";
import { sleep } from "../base/clock.ts";
import { LonghaulError, messageOf } from "../base/error.ts";
import { isJsonObject, type Json, type JsonObject } from "../base/json.ts";
import type { StepExecution, StepEnd } from "../engine/engine.ts";
import type { CallEnd } from "../policy/breaker.ts";
import { isNotTried } from "../policy/retry.ts";
import { limiterDefaults } from "../policy/scope.ts";
import type { ToolCallPart, ToolResultPart } from "../record/message.ts";
import type { Doubt } from "../record/task.ts";
import type { EffectState, RestoredDoubt } from "../store/store.ts";
import type { Tool, ToolCallOptions, ToolResult } from "../tool/tool.ts";
import { describeRefusedTool, refusedDoubts } from "./doubts.ts";
import { withHeartbeat } from "./heartbeat.ts";
import { questionSignal, recordLateResult } from "./late-result.ts";
import { type Parked, parkedToJson, parseParked, waitParked } from "./parked.ts";
import { type Attempt, holdBack, type Permit, senderOf, waitForPermission } from "./permission.ts";
import { decidedSuffix, decidedToJson, decisionSuffix, parseDecided, readWord } from "./question.ts";
import { placeOf, recordWrite } from "./run-record.ts";
import type { RunScope } from "./run-services.ts";
import { isRefusedByBreaker, parkedByRefusal, placeOfRefusal, throughBreaker } from "./through-breaker.ts";
import { parkedByLimiter, throughLimiter } from "./through-limiter.ts";

/**
 * One tool call as durable steps.
 *
 * Invariants:
 *  T1 the intent of a `once` call is on disk before the call;
 *  T2 a `once` call whose outcome is unknown is never made again without its reconcile or a human's word;
 *  T3 a tool's failure is a result that the model reads, never a crash of the run;
 *  T4 a `once` call is not made for a task that works with outputs which the tool does not accept, and nobody is asked to allow it;
 *  T5 a call that needs a person's permission is not made without it;
 *  T6 what a tool returned holds no secret of the team when the model, the journal or a record gets it.
 */
export async function callTool(scope: RunScope, name: string, call: ToolCallPart, tools: () => Promise<readonly Tool[]>): Promise<ToolResultPart> {
  const doubts = [...scope.doubts];
  let permit: Permit | null = null;
  let before: Parked | null = null;
  for (let effectKey: string | null = null; ; ) {
    const key: string | null = effectKey;
    const allowed: Permit | null = permit;
    const value = await scope.engine.step({ kind: "tool", name }, (execution) =>
      withHeartbeat(scope, execution, name, () => toolStep(scope, { execution, key: key ?? execution.idempotencyKey, call, doubts, permit: allowed }, tools)),
    );
    const parked = parseParked(value);
    if (parked === null) return toResultPart(call, value);
    if (parked.parked !== "unknown-effect" && parked.parked !== "human") {
      await waitParked(scope.engine, name, parked, before);
      before = parked;
      continue;
    }
    effectKey = parked.effectKey;
    if (parked.parked === "human") {
      const end = await waitForPermission(scope, name, call, parked);
      if ("result" in end) return toResultPart(call, end.result);
      permit = end.permit;
      continue;
    }
    const settled = await waitForDecision(scope, name, parked);
    if (settled !== null) return toResultPart(call, settled);
  }
}

/** What keeps a call from being made: only one that must not happen twice, and cannot be taken back, asks where its input comes from. */
export function refusedOf({ effect, accepts = [] }: Pick<Tool, "effect" | "accepts">, doubts: Iterable<Doubt>): readonly Doubt[] {
  return effect === "once" ? refusedDoubts(doubts, accepts) : [];
}

async function toolStep(scope: RunScope, attempt: Attempt, open: () => Promise<readonly Tool[]>): Promise<StepEnd> {
  const { execution, key, call } = attempt;
  const startedMs = scope.services.clock.monotonicMs();
  const options: ToolCallOptions = { signal: execution.signal, idempotencyKey: key, taskId: scope.engine.task.id, runId: scope.engine.runId };
  const made: Made = { end: "none", isLookedUp: false, late: null };
  try {
    const found = await findTool(call.toolName, open, execution.signal);
    if ("ok" in found) return await withoutTool(scope, attempt, found, startedMs);
    const refused = refusedOf(found, attempt.doubts);
    if (refused.length > 0) return await withoutTool(scope, attempt, { ok: false, kind: "not-accepted", message: describeRefusedTool(found.name, refused) }, startedMs);
    const held = await holdBack(scope, attempt, found);
    if (held !== null) return "ok" in held ? finish(scope, attempt, held, startedMs) : held;
    // Before there is an intent: of a call that is held back none is left.
    const isOnce = found.effect === "once";
    const watched: ToolCallOptions = {
      ...options,
      onLate: (result) => {
        if (made.isLookedUp && result.ok) made.late = result;
        else recordLateResult(scope, { execution, toolName: call.toolName, effectKey: isOnce ? key : null, result, writes: finish(scope, attempt, result, startedMs, isOnce ? key : undefined).writes ?? [] });
      },
    };
    const { dependency, concurrencyMax = limiterDefaults.toolConcurrency } = found;
    const governed = { name: execution.identity.name, account: dependency, provider: "", model: null, concurrencyMax, inputTokens: 0, outputTokens: 0, signal: execution.signal };
    return await throughLimiter(scope, governed, () => ({ kind: "rejected" }), async () => {
      const end = await throughBreaker(scope, { dependency, signal: execution.signal, endOf: () => made.end }, async () => {
        if (isOnce) return await onceStep(scope, attempt, found, watched, startedMs, made);
        const result = await make(found, call.input, watched, made);
        throwIfCanceled(result, execution);
        return finish(scope, attempt, result, startedMs);
      });
      return typeof end === "function" ? await end() : end;
    });
  } catch (error) {
    if (!isNotTried(error)) throw error;
    return parkForLater(scope, attempt, error);
  }
}

/** What was made of a call, as its dependency is judged by it. */
interface Made {
  end: CallEnd;
  /** True while its tool is asked whether it happened. */
  isLookedUp: boolean;
  /** Its success that came meanwhile. */
  late: Extract<ToolResult, { ok: true }> | null;
}

async function make(tool: Tool, input: Json, options: ToolCallOptions, made: Made): Promise<ToolResult> {
  const result = await tool.call(input, options);
  made.end = endOfToolCall(result);
  return result;
}

/** Whether the tool or its server answered, be it with a no. */
export function endOfToolCall(result: ToolResult): CallEnd {
  if (result.ok) return "good";
  if (result.kind === "canceled") return "none";
  return result.kind === "timeout" || result.kind === "unavailable" || result.isUnreached === true ? "bad" : "good";
}

function parkForLater(scope: RunScope, { execution, call }: Attempt, error: LonghaulError): StepEnd {
  const { random } = scope.services;
  const event_type = isRefusedByBreaker(error) ? "breaker" : "park";
  const record = recordWrite(scope, placeOfRefusal(placeOf(execution), error), { event_type, tool_name: call.toolName, result: "refused", reason: error.message, data: { ...error.details } });
  const parked = isRefusedByBreaker(error) ? parkedByRefusal(error, random) : parkedByLimiter(error, random);
  return { outcome: { ok: true, value: parkedToJson(parked) }, writes: [record] };
}

async function findTool(name: string, open: () => Promise<readonly Tool[]>, signal: AbortSignal): Promise<Tool | Extract<ToolResult, { ok: false }>> {
  try {
    const tools = await open();
    const found = tools.find((tool) => tool.name === name);
    if (found?.heldBack !== undefined) return { ok: false, kind: "denied", message: found.heldBack };
    return found ?? { ok: false, kind: "invalid-input", message: `There is no tool "${name}". Use one of: ${tools.flatMap((tool) => (tool.heldBack === undefined ? [tool.name] : [])).join(", ")}.` };
  } catch (error) {
    if (signal.aborted || isRefusedByBreaker(error)) throw error;
    return { ok: false, kind: "unavailable", message: messageOf(error) };
  }
}

/** A call that is to stop does not wait for the store; one that another process makes by now is not made. */
function intend({ engine, services }: RunScope, { execution, key, call }: Attempt): Promise<EffectState> {
  return orTakenOver(services.clock, execution.signal, () => services.store.effects.intend({ key, fence: execution.fence, toolName: call.toolName, taskId: engine.task.id, runId: engine.runId, atMs: services.clock.now() }));
}

/** The tool is not called: there is none, or it does not accept the input. An earlier attempt may have called it all the same, when the team still had it. */
async function withoutTool(scope: RunScope, attempt: Attempt, missing: Extract<ToolResult, { ok: false }>, startedMs: number): Promise<StepEnd> {
  const { effects } = scope.services.store;
  // It is looked for first: of an intent that is made to be withdrawn, a crash in between would leave a question about a call that nobody made.
  if (!(await orAborted(attempt.execution.signal, () => effects.isIntended(attempt.key)))) return finish(scope, attempt, missing, startedMs);
  const intent = await intend(scope, attempt);
  if (intent.state === "completed") return finish(scope, attempt, parseResult(intent.result), startedMs);
  if (intent.state === "unknown") return park(scope, attempt, `an earlier attempt was interrupted. ${missing.message}`, intent.intendedAtMs);
  if (intent.state === "restored") return park(scope, attempt, `${describeRestored(intent)}. ${missing.message}`, null);
  await orAborted(attempt.execution.signal, () => effects.withdraw(attempt.key));
  return finish(scope, attempt, missing, startedMs);
}

/** Returns what is left to do where the call has ended and nobody knows how: its breaker hears of it first. */
async function onceStep(scope: RunScope, attempt: Attempt, tool: Tool, options: ToolCallOptions, startedMs: number, made: Made): Promise<StepEnd | (() => Promise<StepEnd>)> {
  const { execution, key, call } = attempt;
  const intent = await intend(scope, attempt);
  if (intent.state === "completed") return finish(scope, attempt, parseResult(intent.result), startedMs, key);
  if (intent.state === "restored" && !intent.isSameKey) return park(scope, attempt, describeRestored(intent), null);
  if (intent.state === "unknown" || intent.state === "restored") {
    const earlier = await orTakenOver(scope.services.clock, execution.signal, () => (intent.state === "unknown" ? reconcileCutOff(scope, tool, call.input, options) : reconcile(tool, call.input, options)));
    if (earlier === null) return intent.state === "restored" ? park(scope, attempt, describeRestored(intent), null) : park(scope, attempt, "an earlier attempt was interrupted", intent.intendedAtMs);
    if (earlier.happened) return finish(scope, attempt, earlier.result, startedMs, key, "happened");
  }
  const reconciled = intent.state === "unknown" || intent.state === "restored" ? "not-happened" : null;
  const madeAtMs = scope.services.clock.now();
  const result = await make(tool, call.input, options, made);
  throwIfCanceled(result, execution);
  if (!isUncertain(result, tool)) return finish(scope, attempt, result, startedMs, key, reconciled);
  return async () => {
    const looked = await lookUp(made, options, () => (result.kind === "failed" ? reconcile(tool, call.input, options) : reconcileCutOff(scope, tool, call.input, options)));
    if (looked === null) return park(scope, attempt, result.message, madeAtMs);
    const isToldByTool = looked.happened && made.late === null;
    return finish(scope, attempt, looked.happened ? looked.result : result, startedMs, key, isToldByTool ? "happened" : reconciled);
  };
}

/** What `reconcile` said of a call of which nobody knew; null when it was not asked. */
type Reconciled = "happened" | "not-happened" | null;

const reconciledReasons = {
  happened: "It was not known whether this call had happened. reconcile says that it had",
  "not-happened": "It was not known whether an earlier attempt had made this call. reconcile says that it had not: it was made",
};

function describeRestored({ recoveryPointAtMs }: RestoredDoubt): string {
  const since = recoveryPointAtMs === null ? "what was done since" : `what was done after ${new Date(recoveryPointAtMs).toISOString()}`;
  return `the data was restored from a backup, and ${since} is not known. A call like this one may have been made`;
}

/** How long a call that was cut off may be on its way. */
const onItsWayMs = 2_000;

type Known = { readonly happened: true; readonly result: ToolResult } | { readonly happened: false } | null;

/** What `ask` says of a call that this attempt made. Should the call succeed meanwhile, that is the answer. */
async function lookUp(made: Made, { onLate }: ToolCallOptions, ask: () => Promise<Known>): Promise<Known> {
  made.isLookedUp = true;
  try {
    const known = await ask();
    return made.late === null ? known : { happened: true, result: made.late };
  } catch (error) {
    made.isLookedUp = false;
    if (made.late !== null) onLate?.(made.late);
    throw error;
  } finally {
    made.isLookedUp = false;
  }
}

/** As `reconcile`, of a call that was cut off and may still be on its way, or be made just now by a process that has not heard yet that it lost the run: a no counts when it is said twice. */
async function reconcileCutOff(scope: RunScope, tool: Tool, input: Json, options: ToolCallOptions): Promise<Known> {
  const first = await reconcile(tool, input, options);
  if (first === null || first.happened) return first;
  await sleep(scope.services.clock, onItsWayMs, options.signal);
  return await reconcile(tool, input, options);
}

/** What the tool itself says of an interrupted call; null when it cannot say. */
async function reconcile(tool: Tool, input: Json, options: ToolCallOptions): Promise<Known> {
  if (!tool.reconcile) return null;
  try {
    const answer = await tool.reconcile(input, options);
    if (answer.happened === "unknown") return null;
    return answer.happened ? { happened: true, result: { ok: true, value: answer.value } } : { happened: false };
  } catch (error) {
    if (options.signal.aborted) throw error;
    return null; // A reconcile that fails knows nothing; a human decides.
  }
}

/** A call that was cut off may have happened. Of one that failed, a tool that can look it up is asked; without that its word counts. */
function isUncertain(result: ToolResult, tool: Tool): result is Extract<ToolResult, { ok: false }> {
  return !result.ok && (result.kind === "timeout" || result.kind === "unavailable" || (result.kind === "failed" && "reconcile" in tool));
}

function throwIfCanceled(result: ToolResult, execution: StepExecution): void {
  if (!result.ok && result.kind === "canceled") throw execution.signal.reason instanceof Error ? execution.signal.reason : new LonghaulError("TASK_CANCELED", result.message);
}

/** `calledAtMs`: when the call was made whose end nobody knows; null when that is not known either. A person looks outside for what happened then. */
function park(scope: RunScope, { execution, key, call }: Attempt, why: string, calledAtMs: number | null): StepEnd {
  const signal = questionSignal(execution);
  const parked: Parked = { parked: "unknown-effect", forMs: null, signal, effectKey: key };
  const write = recordWrite(scope, placeOf(execution), {
    event_type: "approval",
    tool_name: call.toolName,
    tool_args: toArguments(call.input),
    result: "asked",
    reason: `It is not known whether this call happened: ${why}. Look, then decide: longhaul approve`,
    data: { signal, key, calledAt: calledAtMs === null ? null : new Date(calledAtMs).toISOString() },
  });
  return { outcome: { ok: true, value: parkedToJson(parked) }, writes: [write] };
}

/** Waits for a human's word; null means that the call is to be made again. Anything else that comes is not taken for one. */
async function waitForDecision(scope: RunScope, name: string, { parked: reason, signal, effectKey }: Parked): Promise<Json> {
  for (;;) {
    const end = await scope.engine.wait({ name: `${name}${decisionSuffix}`, reason, signal: signal ?? "" });
    const word = end.by === "signal" ? readWord(end.payload, "unknown-effect", null) : null;
    if (word === null) continue;
    const { decision } = word;
    const known = decision === "retry" ? null : resultToJson(decision === "happened" ? { ok: true, value: word.result ?? "The call happened; its result was lost." } : givenUp);
    const noted = await scope.engine.step({ kind: "code", name: `${name}${decidedSuffix}` }, async (execution) => {
      const answered = recordWrite(scope, placeOf(execution), { event_type: "approval", result: "answered", reason: decision, data: { signal, ...senderOf(word) } });
      if (known === null) await orAborted(execution.signal, () => scope.services.store.effects.withdraw(effectKey ?? ""));
      const settled = decision === "happened" && word.result === null ? await lateResultOf(scope, execution, name, effectKey ?? "") : null;
      return { outcome: { ok: true, value: decidedToJson(signal, settled) }, writes: known === null ? [answered] : [answered, { type: "effect.complete", key: effectKey ?? "", result: settled ?? known }] };
    });
    return parseDecided(noted).result ?? known;
  }
}

/** What the ledger knows of a call whose result came when nobody waited for it any more; null when it knows of none. */
async function lateResultOf({ engine, services }: RunScope, execution: StepExecution, toolName: string, key: string): Promise<Json> {
  const known = await orAborted(execution.signal, () => services.store.effects.intend({ key, fence: execution.fence, toolName, taskId: engine.task.id, runId: engine.runId, atMs: services.clock.now() }));
  return known.state === "completed" ? known.result : null;
}

const givenUp: ToolResult = { ok: false, kind: "failed", message: "The call was given up by an operator." };

/** The end of a call that has a result. With `effectKey` it closes the intent. */
function finish(scope: RunScope, { execution, call }: Attempt, raw: ToolResult, startedMs: number, effectKey?: string, reconciled: Reconciled = null): StepEnd {
  const result = scope.services.hideSecrets(resultToJson(raw));
  const record = recordWrite(scope, placeOf(execution), {
    event_type: "tool_call",
    tool_name: call.toolName,
    tool_args: toArguments(call.input),
    result: raw.ok ? "success" : "error",
    duration_ms: Math.round(scope.services.clock.monotonicMs() - startedMs),
    reason: !raw.ok ? `${raw.kind}: ${raw.message}` : reconciled === null ? null : reconciledReasons[reconciled],
    data: { callId: call.callId, ...(reconciled === null ? {} : { reconciled }) },
  });
  return { outcome: { ok: true, value: result }, writes: effectKey === undefined ? [record] : [record, { type: "effect.complete", key: effectKey, result }] };
}

function toArguments(input: Json): JsonObject {
  return isJsonObject(input) ? input : { input };
}

function resultToJson(result: ToolResult): Json {
  return result.ok ? { ok: true, value: result.value } : { ok: false, kind: result.kind, message: result.message };
}

function parseResult(stored: Json): ToolResult {
  const fields = isJsonObject(stored) ? stored : {};
  if (fields["ok"] === true) return { ok: true, value: fields["value"] ?? null };
  return { ok: false, kind: "failed", message: typeof fields["message"] === "string" ? fields["message"] : messageOf(stored) };
}

function toResultPart(call: ToolCallPart, stored: Json): ToolResultPart {
  const result = parseResult(stored);
  return { type: "tool-result", callId: call.callId, toolName: call.toolName, isError: !result.ok, value: result.ok ? result.value : result.message };
}
