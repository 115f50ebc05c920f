import { LonghaulError } from "../../base/error.ts";
import { describeStep } from "../../record/step.ts";
import type { EndedStep } from "./journal.ts";
import type { Operation } from "./operation.ts";

/** A run whose code does not go on. */
export interface StuckRun {
  readonly taskId: string;
  readonly runId: string;
  /** The completed step that code should have asked for next. */
  readonly expected: EndedStep | undefined;
  /** What it asked for instead. */
  readonly pending: readonly Operation[];
}

/** Named at the most, in a message. */
const namedMax = 5;

export function codeMismatch({ taskId, runId, expected, pending }: StuckRun): LonghaulError {
  const wanted = expected === undefined ? "the end" : `${describeStep(expected)} (step ${expected.number})`;
  const names = pending.slice(0, namedMax).map((operation) => `${describeStep(operation.identity)} (step ${operation.number})`);
  const came = names.length === 0 ? "the end of the run" : names.join(", ");
  const message = `The code of run ${runId} no longer takes the steps that its journal holds: expected ${wanted}, came ${came}. Restart the task, or run it with the code that it began with.`;
  return new LonghaulError("ENGINE_CODE_MISMATCH", message, { details: { taskId, runId, expected: wanted, came } });
}

export function formatMismatch({ runId }: Pick<StuckRun, "runId">, format: number, known: number): LonghaulError {
  const message = `The journal of run ${runId} has format ${format}; this version of longhaul goes on with format ${known}. Run it with the version that it began with, or restart the task.`;
  return new LonghaulError("ENGINE_CODE_MISMATCH", message, { details: { runId, expected: `format ${known}`, came: `format ${format}` } });
}

export function foreignAwait({ taskId, runId, expected }: StuckRun): LonghaulError {
  const place = expected === undefined ? "between its steps" : `before ${describeStep(expected)}`;
  const message = `Run ${runId} awaited something other than ctx ${place}, and it did not end in time. Wrap it in ctx.step.`;
  return new LonghaulError("ENGINE_FOREIGN_AWAIT", message, { details: { taskId, runId } });
}
