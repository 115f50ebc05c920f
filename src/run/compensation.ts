import type { CompensateOptions, StepScope } from "../agent/context.ts";
import { parseDuration } from "../base/duration.ts";
import { LonghaulError, messageOf } from "../base/error.ts";
import type { RunEnd, Unwinding } from "../engine/engine.ts";
import { deadError } from "./dead-error.ts";
import type { Compensation, RunScope } from "./run-services.ts";
import { runUserStep } from "./user-step.ts";

/** Compensations that one run registers at the most. Over it: COMPENSATION_LIMIT. */
export const compensationsMax = 100;

/** The durable part of `ctx.compensate`: from now on the end of this run is followed by a task that undoes it, unless it is done. */
export async function registerCompensation(scope: RunScope, name: string, undo: (given: StepScope) => unknown, options: CompensateOptions): Promise<void> {
  if (++scope.counts.compensations > compensationsMax) {
    throw new LonghaulError("COMPENSATION_LIMIT", `${scope.worker.name} registered more than ${compensationsMax} compensations in one run. Register one that undoes many things.`);
  }
  const key = await scope.engine.step({ kind: "compensate", name }, ({ idempotencyKey }) => Promise.resolve({ outcome: { ok: true, value: idempotencyKey } }));
  scope.compensations.push({ name, undo, options, key: String(key) });
}

/**
 * Undoes what an ended run did. `replay` is its code, which is served what it was served and comes no further than it came.
 *
 * Invariants:
 *  C1 last to first, one at a time, each committed once;
 *  C2 one that fails for good does not keep the others from running, and is named in the task's end, as is one that the code does not register any more;
 *  C3 what a fork was served of another run is not undone by the fork.
 */
export async function compensate(scope: RunScope, unwinding: Unwinding, replay: () => Promise<unknown>): Promise<RunEnd> {
  await Promise.race([unwinding.arrived, replay().catch(() => undefined)]);
  const compensations = [...scope.compensations];
  const failed: { readonly name: string; readonly reason: string }[] = [];
  const compensated: string[] = [];
  for (const [at, compensation] of [...compensations.entries()].toReversed()) {
    const { name } = compensation;
    const nth = compensations.slice(0, at + 1).filter((other) => other.name === name).length;
    try {
      const isOurs = await undo(scope, compensation, nth === 1 ? name : `${name}/${nth}`);
      if (isOurs) compensated.push(name);
    } catch (error) {
      failed.push({ name, reason: messageOf(error) });
    }
  }
  const reason = unwinding.isOverdue ? "the code awaited something other than ctx for too long before it registered this again: wrap that in ctx.step" : "the code does not register it any more";
  for (const name of missing(unwinding.registered, compensations)) failed.push({ name, reason });
  if (failed.length === 0) return { end: { status: "done", outcome: "unverified", output: { compensated }, evidence: null, reason: null } };
  const named = failed.map(({ name, reason }) => `${name} (${reason})`).join("; ");
  throw deadError("compensation-failed", `Not undone: ${named}. ${compensated.length === 0 ? "Nothing else was registered" : `Undone: ${compensated.join(", ")}`}. Undo it by hand, or mend what failed and have it tried again: longhaul restart ${scope.engine.task.id}`, { compensated, failed });
}

/** True when it was undone; false when it is not this run's to undo. */
async function undo(scope: RunScope, compensation: Compensation, stepName: string): Promise<boolean> {
  const { name, options, key } = compensation;
  const what = `ctx.compensate("${name}")`;
  const { timeout, attempts } = options;
  const plan = { what, ...(timeout === undefined ? {} : { timeoutMs: parseDuration(timeout, `${what}: timeout`) }), ...(attempts === undefined ? {} : { attemptsMax: attempts }) };
  const value = await scope.engine.step({ kind: "compensation", name: stepName }, async (execution) => {
    const { identity, idempotencyKey } = execution;
    const run = idempotencyKey.slice(0, -`/compensation/${identity.name}/${identity.occurrence}`.length);
    if (!key.startsWith(`${run}/compensate/`)) return { outcome: { ok: true, value: false } };
    return await runUserStep(scope, execution, plan, async (signal) => {
      await compensation.undo({ signal, idempotencyKey });
      return { value: true, record: { event_type: "decision", result: "compensated", reason: `${what}: undone`, data: { compensation: name } } };
    });
  });
  return value === true;
}

/** Names that were registered more often than now. */
function missing(registered: readonly string[], compensations: readonly Compensation[]): readonly string[] {
  const left = compensations.map(({ name }) => name);
  return registered.filter((name) => {
    const at = left.indexOf(name);
    if (at !== -1) left.splice(at, 1);
    return at === -1;
  });
}
