import type { StepExecution } from "../engine/engine.ts";
import { lateWrites, type Write } from "../record/write.ts";
import type { ToolResult } from "../tool/tool.ts";
import { effectSignalPrefix } from "./parked.ts";
import { placeOf, recordWrite } from "./run-record.ts";
import type { RunScope } from "./run-services.ts";

/** By which a call whose outcome is unknown waits for a human's word. */
export function questionSignal({ idempotencyKey }: StepExecution): string {
  return `${effectSignalPrefix}${idempotencyKey}`;
}

/** A call of which nobody waits for the result any more. */
export interface LateCall {
  readonly execution: StepExecution;
  readonly toolName: string;
  /** Of its intent in the effect ledger; null for a call that may be repeated. */
  readonly effectKey: string | null;
  readonly result: ToolResult;
  /** What the step would have written, had the call ended in time. */
  readonly writes: readonly Write[];
}

/**
 * Keeps what a call came to after its time limit or its cancellation: a record, marked late, and for a `once` call that succeeded its result in the effect ledger, so that it is
 * not made again and that whoever is asked about it is told. The step has ended: nothing is applied to it. Of a late failure nobody knows what it did: it closes nothing.
 */
export function recordLateResult(scope: RunScope, { execution, toolName, effectKey, result, writes }: LateCall): void {
  const isKnown = effectKey !== null && result.ok;
  const told = isKnown
    ? [recordWrite(scope, { ...placeOf(execution), n: 1 }, {
        event_type: "approval", tool_name: toolName, result: "late",
        reason: `The call ended after all, too late to count: ${JSON.stringify(scope.services.hideSecrets(result.value))}. Taken by --happened without a result, and by --retry, which calls nothing then`,
        data: { signal: questionSignal(execution), key: effectKey },
      })]
    : [];
  const kept = isKnown ? writes : writes.filter(({ type }) => type !== "effect.complete");
  // A store that does not take it now never will: the process is about to end, or another one has its place.
  scope.services.store.write(lateWrites([...kept, ...told], `${execution.attempt}.settled`)).catch(() => undefined);
}
