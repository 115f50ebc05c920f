import { checkOptionNames, contextOptionNames } from "../agent/option-names.ts";
import type { Report } from "../agent/problem.ts";
import { checkChain } from "../agent/validate-model.ts";
import { checkWithin } from "../agent/validate-order.ts";
import { checkDuration, checkEventName, checkFields, checkInteger, type Fields } from "../agent/value-checks.ts";
import { checkAccepts, checkApprovalWithin, checkEffect, checkNeedsApproval, checkNeedsApprovalByName } from "../agent/effect-check.ts";
import { textLengthMax } from "../base/cut-text.ts";
import { describeValue } from "../base/describe-value.ts";
import { LonghaulError } from "../base/error.ts";
import { isJsonObject } from "../base/json.ts";
import { ownSignalPrefix } from "./parked.ts";
import type { WorkerLimits } from "./worker.ts";

// What durable code hands to ctx is checked at the call, before anything of it is numbered or stored. The first thing that is wrong is thrown.

/** Characters of the name of a step, transaction or signal, and of an idempotency key. */
export const nameLengthMax = 512;
/** Priorities are whole numbers from minus this to this. */
export const priorityMax = 1_000_000;
/** Bytes of the data of one note. */
export const noteBytesMax = 65_536;

type StepLimits = Pick<WorkerLimits, "activeMsMax">;

/** @throws {OPTION_INVALID} */
export function checkStep(name: unknown, body: unknown, options: unknown, limits: StepLimits): void {
  checkBody("ctx.step", name, body, options, contextOptionNames.step, limits);
}

/** @throws {OPTION_INVALID} */
export function checkCompensate(name: unknown, undo: unknown, options: unknown, limits: StepLimits): void {
  checkBody("ctx.compensate", name, undo, options, contextOptionNames.compensate, limits);
}

function checkBody(what: string, name: unknown, body: unknown, options: unknown, known: Readonly<Record<string, true>>, { activeMsMax }: StepLimits): void {
  checkStepName(what, name, body);
  const report = refusal(`${what}("${String(name)}")`);
  const { timeout, attempts } = checkOptions(report, options, known);
  checkWithin(report, "timeout", timeout, { option: "limits.activeTime", ms: activeMsMax });
  checkInteger(report, "attempts", attempts, { min: 1, max: 100 });
}

/** @throws {OPTION_INVALID} */
export function checkTransaction(name: unknown, body: unknown): void {
  checkStepName("ctx.transaction", name, body);
}

/** @throws {OPTION_INVALID} */
export function checkWaitFor(signal: unknown, options: unknown, { deadlineMs }: Pick<WorkerLimits, "deadlineMs">): void {
  checkName(refusal("ctx.waitFor"), "signal", signal);
  const report = refusal(`ctx.waitFor("${String(signal)}")`);
  if (String(signal).startsWith(ownSignalPrefix)) report("signal", signal, `Use a name that does not begin with "${ownSignalPrefix}", which is Longhaul's own.`);
  checkWithin(report, "timeout", checkOptions(report, options, contextOptionNames.waitFor)["timeout"], { option: "limits.deadline", ms: deadlineMs });
}

/** @throws {OPTION_INVALID} */
export function checkCall(callable: unknown, options: unknown): void {
  const report = checkCallable("ctx.call", callable);
  const { priority, accepts } = checkOptions(report, options, contextOptionNames.call);
  checkPriority(report, priority);
  checkAccepts(report, accepts);
}

/** @throws {OPTION_INVALID} */
export function checkSend(callable: unknown, options: unknown): void {
  const report = checkCallable("ctx.send", callable);
  const { key, priority, delay } = checkOptions(report, options, contextOptionNames.send);
  if (key !== undefined) checkName(report, "key", key);
  checkPriority(report, priority);
  checkDuration(report, "delay", delay);
}

/** @throws {OPTION_INVALID} */
export function checkPublish(event: unknown, data: unknown): void {
  const report = refusal("ctx.publish");
  checkEventName(report, "event", event);
  if (!isJsonObject(data)) report("data", data, "Use an object of plain data.");
}

/** @throws {OPTION_INVALID} */
export function checkNote(text: unknown, data: unknown): void {
  const report = refusal("ctx.note");
  if (typeof text !== "string" || text.length > textLengthMax) report("text", text, `Use a text of at most ${textLengthMax} characters${typeof text === "string" ? `; this one has ${text.length}` : ""}.`);
  if (!isJsonObject(data)) report("data", data, "Use an object of plain data.");
}

/** A chain is looked at as one; what a model is shows when it is called. @throws {OPTION_INVALID} */
export function checkModel(model: unknown): void {
  if (typeof model === "object" && model !== null && "kind" in model && model.kind === "fallback") checkChain(refusal("ctx.model"), { ...model });
}

/** @throws {OPTION_INVALID} */
export function checkTools(tools: unknown, options: unknown, { deadlineMs }: Pick<WorkerLimits, "deadlineMs">): void {
  const report = refusal("ctx.tools");
  const known = checkFields(report, "tools", tools, "Use an object of AI SDK tools.") ?? {};
  const { effects = {}, accepts, needsApproval = {}, approvalWithin } = checkOptions(report, options, contextOptionNames.tools);
  checkAccepts(report, accepts);
  for (const [name, effect] of Object.entries(checkFields(report, "effects", effects, "Use an object of effects by tool name.") ?? {})) {
    if (!Object.hasOwn(known, name)) report(`effects.${name}`, effect, `There is no such tool; there are: ${Object.keys(known).join(", ")}.`);
    if (effect !== undefined) checkEffect(report, `effects.${name}`, effect, undefined);
  }
  checkNeedsApprovalByName(report, needsApproval, Object.keys(known), `There is no such tool; there are: ${Object.keys(known).join(", ")}.`);
  for (const [name, tool] of Object.entries(known)) checkNeedsApproval(report, `tools.${name}.needsApproval`, (tool as Fields | null)?.["needsApproval"]);
  checkApprovalWithin(report, approvalWithin);
  checkWithin(report, "approvalWithin", approvalWithin, { option: "limits.deadline", ms: deadlineMs });
}

function refusal(what: string): Report {
  return (field, value, remedy) => {
    throw new LonghaulError("OPTION_INVALID", `${what}: ${field} is ${describeValue(value)}. ${remedy}`);
  };
}

function checkStepName(what: string, name: unknown, body: unknown): void {
  const report = refusal(what);
  checkName(report, "name", name);
  if (typeof body !== "function") report("body", body, "Use a function.");
}

/** A step is found again by its name, so that the name has to come out of the file as it went in. */
function checkName(report: Report, field: string, value: unknown): void {
  if (typeof value !== "string" || value === "") report(field, value, "Use a text that is not empty.");
  else if (value.length > nameLengthMax) report(field, value, `It has ${value.length} characters; use at most ${nameLengthMax}.`);
  else if (!value.isWellFormed()) report(field, value, "It holds half a character (a lone surrogate), as a text does that was cut in the middle of one. Use its toWellFormed().");
}

/** The report for the rest of the arguments. */
function checkCallable(what: string, callable: unknown): Report {
  const report = refusal(what);
  const { name } = checkFields(report, "agent", callable, "Use an agent or a flow, as defineAgent or defineFlow returned it.") ?? {};
  if (typeof name !== "string") report("agent.name", name, "Use an agent or a flow, as defineAgent or defineFlow returned it.");
  return refusal(`${what}(${String(name)})`);
}

function checkPriority(report: Report, priority: unknown): void {
  checkInteger(report, "priority", priority, { min: -priorityMax, max: priorityMax });
}

function checkOptions(report: Report, options: unknown, known: Readonly<Record<string, true>>): Fields {
  const fields = checkFields(report, "options", options, `Use an object; the options are ${Object.keys(known).join(", ")}.`) ?? {};
  checkOptionNames(report, "", fields, known);
  return fields;
}
