import type { Callable } from "../agent/context.ts";
import type { CachedDefinition, DeadTask } from "../agent/result-fallback.ts";
import { formatDuration, parseDuration } from "../base/duration.ts";
import { isJsonObject, type Json, toJson } from "../base/json.ts";
import type { RunEnd } from "../engine/engine.ts";
import { toLogRecord } from "../record/log-record.ts";
import type { DeadReason, TaskEnd } from "../record/task.ts";
import type { Write } from "../record/write.ts";
import { callWorker } from "./child-task.ts";
import type { RunScope, VerifiedOutput } from "./run-services.ts";
import { runUserStep } from "./user-step.ts";

/** Reasons that the work itself has. Not those of who asked for it (a wrong input), of a limit of time or size, or of people. */
const replaceable: readonly DeadReason[] = [
  "failed", "rejected", "empty", "refused", "truncated", "context-overflow", "turn-limit", "tool-call-limit", "looping", "invalid-output", "billing", "auth",
];

type DeadEnd = Extract<TaskEnd, { readonly status: "dead" }>;

/** What stood in. */
interface Found {
  readonly output: unknown;
  /** "the output of 3 h ago", "agent backup". */
  readonly what: string;
  readonly evidence: Json;
}

export type FitOutput = (output: unknown) => Promise<unknown>;

/**
 * The end of a task whose work died: as it is, or degraded, when one of the agent's fallbacks gives an output that fits. What stands in is no progress: an agent
 * that lives on stand-ins accomplishes nothing.
 */
export async function replaceDead(scope: RunScope, input: unknown, died: RunEnd, fit: FitOutput): Promise<RunEnd> {
  const { end } = died;
  const { fallback = [] } = scope.worker.spec;
  if (end.status !== "dead" || !isReplaceable(scope, end)) return died;
  const dead: DeadTask = { reason: end.reason, code: end.failure.code, message: end.failure.message };
  for (const [index, candidate] of fallback.entries()) {
    try {
      const found = typeof candidate === "function" ? await compute(scope, index, () => candidate(input, dead)) : candidate.kind === "cached" ? await findCached(scope, index, candidate) : await callOther(scope, candidate);
      if (found !== null) return degradedEnd(scope, end, dead, { ...found, output: await fit(found.output) });
    } catch {
      // Its own step or task has a record of why it gave nothing; the next one is asked.
    }
  }
  return died;
}

function isReplaceable({ engine }: RunScope, { reason, failure }: DeadEnd): boolean {
  return replaceable.includes(reason) && !engine.signal.aborted && failure.code?.startsWith("ENGINE_") !== true;
}

async function compute(scope: RunScope, index: number, body: () => unknown): Promise<Found> {
  const what = `${scope.worker.name}: fallback ${index + 1}`;
  const output = await scope.engine.step({ kind: "code", name: `fallback/${index + 1}` }, (execution) =>
    runUserStep(scope, execution, { what }, async () => ({ value: toJson(await body(), `What ${what} returned`) })),
  );
  return { output, what: "its own code", evidence: null };
}

async function findCached(scope: RunScope, index: number, { within }: CachedDefinition): Promise<Found | null> {
  const { engine, services, worker } = scope;
  const withinMs = parseDuration(within, "cached: within");
  const what = `${worker.name}: fallback ${index + 1}`;
  const value = await engine.step({ kind: "code", name: `fallback/${index + 1}` }, (execution) =>
    runUserStep(scope, execution, { what }, async () => {
      const nowMs = services.clock.now();
      const found = await services.findVerified(worker.name, engine.task.input, nowMs - withinMs);
      const record = { event_type: "decision", result: found === null ? "not-cached" : "cached", reason: `verified within ${formatDuration(withinMs)}`, data: { ofTask: found?.taskId ?? null } } as const;
      return { value: found === null ? null : { ...found, ageMs: nowMs - found.endedAtMs }, record };
    }),
  );
  if (!isJsonObject(value)) return null;
  const { output, evidence, taskId, ageMs } = value as unknown as VerifiedOutput & { readonly ageMs: number };
  return { output, what: `its output of ${formatDuration(ageMs)} ago`, evidence: { taskId, evidence } };
}

async function callOther(scope: RunScope, callable: Callable): Promise<Found> {
  const { taskId, output, outcome, evidence } = await callWorker<Json>(scope, callable, scope.engine.task.input, {});
  return { output, what: `${callable.kind} ${callable.name}`, evidence: { taskId, outcome, evidence: toJson(evidence, "The evidence of a task") } };
}

function degradedEnd(scope: RunScope, end: DeadEnd, dead: DeadTask, { output, what, evidence }: Found): RunEnd {
  const { engine, worker, services } = scope;
  const reason = `${what} stood in for dead(${dead.reason}): ${dead.message}`;
  const failure = { ...dead } as const;
  const fields = {
    event_type: "decision", result: "fallback", agent_id: worker.name, agent_version: worker.version, task_id: engine.task.id, run_id: engine.runId, reason,
    data: { from: worker.name, to: what, why: dead.message, failure },
  } as const;
  const record: Write = { type: "record", record: toLogRecord(`${engine.runId}/fallback`, services.clock.now(), services.team, fields) };
  const stored = toJson(output, `The output of ${worker.name}`);
  return { end: { status: "done", outcome: "degraded", output: stored, evidence: { standIn: what, of: evidence, failure, failureEvidence: end.evidence }, reason }, writes: [record] };
}
