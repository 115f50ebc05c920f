import { LonghaulError } from "../base/error.ts";
import { toJsonText, type Json } from "../base/json.ts";
import { toFailure } from "../record/failure.ts";
import { describeStep, type StepIdentity } from "../record/step.ts";
import type { TaskEnd } from "../record/task.ts";
import type { StepEnd } from "./engine.ts";

/** Plain data of bounded size. @throws {JSON_INVALID, PAYLOAD_TOO_LARGE} */
export function boundedJson(value: unknown, what: string, bytesMax: number): Json {
  const text = toJsonText(value, what);
  const bytes = Buffer.byteLength(text);
  if (bytes > bytesMax) {
    throw new LonghaulError("PAYLOAD_TOO_LARGE", `${what} has ${bytes} bytes; at most ${bytesMax} are stored. Store it elsewhere and pass a reference.`, { details: { bytes, bytesMax } });
  }
  return JSON.parse(text) as Json;
}

/** What a step did happened, so its writes stay even if its value is too big to be kept. */
export function boundedStepEnd(end: StepEnd, identity: StepIdentity, bytesMax: number): StepEnd {
  if (!end.outcome.ok || isSmall(end.outcome.value, bytesMax)) return end;
  try {
    return { ...end, outcome: { ok: true, value: boundedJson(end.outcome.value, `The result of ${describeStep(identity)}`, bytesMax) } };
  } catch (error) {
    return { ...end, ...failedStep(error) };
  }
}

/** The longest that a number is as JSON. */
const numberBytesMax = 32;

/** True for what is plain data as it stands, and short. */
function isSmall(value: unknown, bytesMax: number): boolean {
  if (bytesMax < numberBytesMax) return false;
  return value === null || typeof value === "boolean" || (Number.isFinite(value) && !Object.is(value, -0));
}

/** A step that came to an error. */
export function failedStep(error: unknown): StepEnd {
  return { outcome: { ok: false, failure: toFailure(error) } };
}

/** @throws {JSON_INVALID, PAYLOAD_TOO_LARGE} */
export function boundedTaskEnd(end: TaskEnd, taskId: string, bytesMax: number): TaskEnd {
  return end.status === "done" ? { ...end, output: boundedJson(end.output, `The output of task ${taskId}`, bytesMax) } : end;
}
