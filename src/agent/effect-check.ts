import type { Report } from "./problem.ts";
import { outcomes } from "../record/task.ts";
import { checkDuration, checkFields, checkFunction, checkList } from "./value-checks.ts";

const toolNamePattern = /^[a-zA-Z0-9_-]{1,64}$/;
const effects: readonly unknown[] = ["read", "idempotent", "once"];

/** Reports a name that providers do not accept. */
export function checkToolName(report: Report, field: string, value: unknown): void {
  if (typeof value !== "string" || !toolNamePattern.test(value)) report(field, value, 'Use letters, digits, "_" and "-", at most 64.');
}

/** Reports a list of outcomes that is none. */
export function checkAccepts(report: Report, value: unknown): void {
  if (value === undefined) return;
  if (!Array.isArray(value) || value.length === 0) report("accepts", value, `Use a list of ${outcomes.join(", ")}, such as ["unverified"]; what is verified is accepted in any case.`);
  for (const [index, outcome] of checkList(() => undefined, "accepts", value).entries()) {
    if (!(outcomes as readonly unknown[]).includes(outcome)) report(`accepts[${index}]`, outcome, `Use ${outcomes.join(", ")}.`);
  }
}

/** Reports an effect that is none, and a `reconcile` that would never be asked. */
export function checkEffect(report: Report, field: string, effect: unknown, reconcile: unknown): void {
  if (!effects.includes(effect)) report(field, effect, 'Say what a call does: "read" (changes nothing), "idempotent" (repeating changes nothing more) or "once" (must not happen twice).');
  checkFunction(report, "reconcile", reconcile);
  if (reconcile !== undefined && effects.includes(effect) && effect !== "once") report("reconcile", reconcile, `It is asked for the effect "once" only; remove it.`);
}

const approvalRange = { minMs: 1_000, maxMs: 365 * 86_400_000, text: "Use 1s to 365d." };

/** Reports a time to wait for a person that is none. */
export function checkApprovalWithin(report: Report, value: unknown): void {
  checkDuration(report, "approvalWithin", value, approvalRange);
}

/** Reports what does not say whether a person has to be asked. */
export function checkNeedsApproval(report: Report, field: string, value: unknown): void {
  if (value !== undefined && typeof value !== "boolean" && typeof value !== "function") report(field, value, "Use true, false, or a function of the input that returns one of them.");
}

/** As `checkNeedsApproval`, by tool name. `known` is null where the tools are known later only. */
export function checkNeedsApprovalByName(report: Report, value: unknown, known: readonly unknown[] | null, unknownTool: string): void {
  for (const [name, needs] of Object.entries(checkFields(report, "needsApproval", value, "Use an object of tool names, each with true or a function.") ?? {})) {
    if (known !== null && !known.includes(name)) report(`needsApproval.${name}`, needs, unknownTool);
    checkNeedsApproval(report, `needsApproval.${name}`, needs);
  }
}
