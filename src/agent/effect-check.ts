import type { Report } from "./problem.ts";
import { outcomes } from "../record/task.ts";
import { checkFunction, checkList } from "./value-checks.ts";

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
