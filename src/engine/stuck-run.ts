import { LonghaulError } from "../base/error.ts";
import type { JsonObject } from "../base/json.ts";
import { describeStep } from "../record/step.ts";
import type { EngineAgent } from "./engine.ts";
import { journalFormat, type EndedStep } from "./journaled-step.ts";
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

/** What the journal holds next is not what the code asks for. */
export function codeMismatch({ taskId, runId, expected, pending }: StuckRun): LonghaulError {
  const wanted = expected === undefined ? "the end" : `${describeStep(expected)} (step ${expected.number})`;
  const names = pending.slice(0, namedMax).map((operation) => describeStep(operation.identity));
  const came = names.length === 0 ? "the end of the run" : `${names.join(", ")}${pending.length > namedMax ? ` and ${pending.length - namedMax} more` : ""}`;
  const message = `The code of run ${runId} no longer takes the steps that its journal holds: expected ${wanted}, came ${came}. Restart the task, fork it or skip the step: \`longhaul show ${taskId}\` says how. Or run it with the code that it began with.`;
  return new LonghaulError("ENGINE_CODE_MISMATCH", message, { details: { taskId, runId, expected: wanted, came, ...(expected === undefined ? {} : { expectedStep: identityOf(expected) }) } });
}

function identityOf({ kind, name, occurrence, number }: EndedStep): JsonObject {
  return { kind, name, occurrence, number };
}

/** Of a stored run, what decides whether code can understand its journal. */
export interface RunVersions {
  readonly id: string;
  readonly taskId: string;
  readonly format: number;
  readonly loopVersion: number;
}

/** Why this code cannot understand the run's journal at all; null when it can. */
export function unreadable(run: RunVersions, { loopVersion = 0 }: EngineAgent): LonghaulError | null {
  if (run.format !== journalFormat) return versionMismatch(run, "format", run.format, journalFormat);
  return run.loopVersion === loopVersion ? null : versionMismatch(run, "loop version", run.loopVersion, loopVersion);
}

function versionMismatch({ id, taskId }: RunVersions, what: string, held: number, known: number): LonghaulError {
  const message = `The journal of run ${id} has ${what} ${held}; this version of longhaul goes on with ${what} ${known}. Run it with the version that it began with, or restart the task: longhaul restart ${taskId}`;
  return new LonghaulError("ENGINE_CODE_MISMATCH", message, { details: { taskId, runId: id, expected: `${what} ${held}`, came: `${what} ${known}` } });
}

export function foreignAwait({ taskId, runId, expected }: StuckRun): LonghaulError {
  const place = expected === undefined ? "between its steps" : `before ${describeStep(expected)}`;
  const message = `Run ${runId} awaited something other than ctx ${place}, and it did not end in time. Wrap it in ctx.step.`;
  return new LonghaulError("ENGINE_FOREIGN_AWAIT", message, { details: { taskId, runId } });
}
