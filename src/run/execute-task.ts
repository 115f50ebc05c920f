import type { Verdict } from "../agent/agent-definition.ts";
import { canonicalJson, hashOf, isJsonObject, type Json, toJson } from "../base/json.ts";
import { type Schema, validate } from "../base/schema.ts";
import { LonghaulError } from "../base/error.ts";
import type { EngineContext, RunEnd } from "../engine/engine.ts";
import { toFailure } from "../record/failure.ts";
import type { Message } from "../record/message.ts";
import type { DeadReason, TaskEnd } from "../record/task.ts";
import type { Write } from "../record/write.ts";
import { createRunContext } from "./run-context.ts";
import { deadError, runModelLoop } from "./model-loop.ts";
import { recordWrite } from "./run-record.ts";
import type { RunScope, RunServices } from "./run-services.ts";

/** Runs one task from its input to its end. Called again from the top at every resumption. */
export async function executeTask(services: RunServices, engine: EngineContext): Promise<RunEnd> {
  const worker = services.workers.get(engine.task.agent);
  if (!worker) throw deadError("unknown-agent", `The team has no agent or flow "${engine.task.agent}". It has: ${[...services.workers.keys()].join(", ")}.`);
  const scope: RunScope = { services, engine, worker };
  try {
    const input = await parseInput(scope);
    const done = worker.spec.run ? await runCode(scope, input) : await runModelLoop(scope, input, (output, transcript) => verifyOutput(scope, input, output, transcript));
    return endOf(scope, done.output, done.verdict);
  } catch (error) {
    return deadEnd(error);
  }
}

async function parseInput(scope: RunScope): Promise<unknown> {
  const { input: schema } = scope.worker.spec;
  if (schema === undefined) return scope.engine.task.input;
  const checked = await validate(schema, scope.engine.task.input);
  if (checked.ok) return checked.value;
  throw new LonghaulError("TASK_INPUT_INVALID", `The input of ${scope.worker.name} does not fit its schema: ${checked.issues.join("; ")}.`, { details: { deadReason: "invalid-input" } });
}

async function runCode(scope: RunScope, input: unknown): Promise<{ readonly output: unknown; readonly verdict: Verdict | null }> {
  const { spec, name } = scope.worker;
  const returned: unknown = await spec.run?.(createRunContext(scope), input);
  const output = spec.output === undefined ? returned : await parseOutput(spec.output, returned, name);
  const verdict = await verifyOutput(scope, input, output, []);
  if (verdict?.accepted === false) throw deadError("rejected", `${name}: verify rejected the output: ${verdict.reason}`, verdict.evidence);
  return { output, verdict };
}

async function parseOutput(schema: Schema, value: unknown, name: string): Promise<unknown> {
  const checked = await validate(schema, value);
  if (checked.ok) return checked.value;
  throw new LonghaulError("TASK_OUTPUT_INVALID", `The output of ${name} does not fit its schema: ${checked.issues.join("; ")}.`, { details: { deadReason: "invalid-output" } });
}

/** `verify` as its own step; null when none is declared. */
async function verifyOutput(scope: RunScope, input: unknown, output: unknown, transcript: readonly Message[]): Promise<Verdict | null> {
  const { verify } = scope.worker.spec;
  if (!verify) return null;
  const value = await scope.engine.step({ kind: "verify", name: "verify" }, async (execution) => {
    const startedMs = scope.services.clock.monotonicMs();
    const verdict = await verify({
      input,
      output,
      transcript,
      signal: execution.signal,
      accept: (evidence = null) => ({ accepted: true, evidence }),
      reject: (reason, evidence = null) => ({ accepted: false, reason, evidence }),
    });
    const record = recordWrite(scope, { step: execution.number, n: 0, attempt: execution.attempt }, {
      event_type: "verify",
      result: verdict.accepted ? "accepted" : "rejected",
      reason: verdict.accepted ? null : verdict.reason,
      duration_ms: Math.round(scope.services.clock.monotonicMs() - startedMs),
      data: { evidence: toJson(verdict.evidence, "verify's evidence") },
    });
    return { outcome: { ok: true, value: toJson(verdict, `${scope.worker.name}: what verify returned`) }, writes: [record] };
  });
  return value as unknown as Verdict;
}

function endOf(scope: RunScope, output: unknown, verdict: Verdict | null): RunEnd {
  const { engine, worker, services } = scope;
  const stored = toJson(output, `The output of ${worker.name}`);
  const outcome = verdict === null ? "unverified" : "verified";
  const end: TaskEnd = { status: "done", outcome, output: stored, evidence: verdict?.evidence ?? null, reason: null };
  const progress: Write = {
    type: "progress",
    id: `${engine.task.id}/${engine.runId}`,
    agent: worker.name,
    atMs: services.clock.now(),
    what: `task ${outcome}`,
    outputHash: verdict === null ? hashOf(canonicalJson(stored)) : null,
  };
  return { end, writes: [progress] };
}

/** The end of a run whose code threw. */
function deadEnd(error: unknown): RunEnd {
  const failure = toFailure(error);
  const reason = failure.details["deadReason"];
  const evidence: Json = failure.details["evidence"] ?? null;
  return { end: { status: "dead", reason: typeof reason === "string" ? (reason as DeadReason) : "failed", failure, evidence: isJsonObject(evidence) ? evidence : evidence } };
}
