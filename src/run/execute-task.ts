import type { Verdict } from "../agent/agent-definition.ts";
import { cutText } from "../base/cut-text.ts";
import { canonicalJson, hashOf, toJson } from "../base/json.ts";
import { type Schema, validate } from "../base/schema.ts";
import { LonghaulError } from "../base/error.ts";
import type { EngineContext, RunEnd } from "../engine/engine.ts";
import type { TaskEnd } from "../record/task.ts";
import type { Write } from "../record/write.ts";
import { compensate } from "./compensation.ts";
import { deadEnd, deadError } from "./dead-error.ts";
import { assertAccepted } from "./doubts.ts";
import { describeStandIns } from "./model-chain.ts";
import { runModelLoop } from "./model-loop.ts";
import { replaceDead } from "./result-fallback.ts";
import { createRunContext } from "./run-context.ts";
import { createRunEnding, fenceable } from "./run-ending.ts";
import type { RunScope, RunServices } from "./run-services.ts";
import { verifyOutput } from "./verify.ts";

/** Runs one task from its input to its end. Called again from the top at every resumption. */
export async function executeTask(services: RunServices, engine: EngineContext): Promise<RunEnd> {
  const worker = services.workers.get(engine.task.agent);
  if (!worker) throw deadError("unknown-agent", `The team has no agent or flow "${engine.task.agent}". It has: ${[...services.workers.keys()].join(", ")}.`);
  const scope: RunScope = { services, engine, worker, ending: createRunEnding(), compensations: [], counts: { children: 0, calls: new Map(), modelCalls: 0, compensations: 0 }, standIns: [], degradedCalls: [], doubts: new Set(engine.task.doubts) };
  let input: unknown = null;
  try {
    if (engine.unwinding !== null) return await compensate(scope, engine.unwinding, () => replayCode(scope));
    input = await parseInput(scope);
    assertAccepted(worker.name, scope.doubts, worker.spec.accepts);
    const given = input;
    const done = worker.spec.run ? await runCode(scope, given) : await runModelLoop(scope, given, (output, transcript) => verifyOutput(scope, given, output, transcript));
    return endOf(scope, done.output, done.verdict);
  } catch (error) {
    // What was begun is undone, which is for tasks that are not done: nothing stands in. Nor does anything for what could not be undone.
    if (engine.unwinding !== null || scope.counts.compensations > 0) return deadEnd(error);
    const { output, run } = worker.spec;
    const fit = async (value: unknown): Promise<unknown> => (output === undefined ? fitText(worker.name, value, run === undefined) : await parseOutput(output, value, worker.name));
    return await replaceDead(scope, input, deadEnd(error), fit);
  }
}

/** The code of a run that compensates for another: it ends where that one did, or never. */
async function replayCode(scope: RunScope): Promise<unknown> {
  const input = await parseInput(scope);
  return await scope.worker.spec.run?.(createRunContext(scope), input);
}

async function parseInput(scope: RunScope): Promise<unknown> {
  const { input: schema } = scope.worker.spec;
  if (schema === undefined) return scope.engine.task.input;
  const checked = await validate(schema, scope.engine.task.input);
  if (checked.ok) return checked.value;
  throw new LonghaulError("TASK_INPUT_INVALID", `The input of ${scope.worker.name} does not fit its schema: ${checked.issues.join("; ")}.`);
}

async function runCode(scope: RunScope, input: unknown): Promise<{ readonly output: unknown; readonly verdict: Verdict | null }> {
  const { spec, name } = scope.worker;
  const code = fenceable(scope.engine);
  let returned: unknown;
  try {
    returned = await Promise.race([scope.ending.ended, spec.run?.(createRunContext({ ...scope, engine: code.engine }), input)]);
  } catch (error) {
    code.fence();
    throw error;
  }
  const output = spec.output === undefined ? returned : await parseOutput(spec.output, returned, name);
  const verdict = await verifyOutput(scope, input, output, []);
  if (verdict?.accepted === false) throw deadError("rejected", `${name}: verify rejected the output: ${verdict.reason}`, verdict.evidence);
  return { output, verdict };
}

async function parseOutput(schema: Schema, value: unknown, name: string): Promise<unknown> {
  const checked = await validate(schema, value);
  if (checked.ok) return checked.value;
  throw new LonghaulError("TASK_OUTPUT_INVALID", `The output of ${name} does not fit its schema: ${checked.issues.join("; ")}.`);
}

/** An agent with a model and no schema hands in text. */
function fitText(name: string, value: unknown, isText: boolean): unknown {
  if (!isText || (typeof value === "string" && value.trim() !== "")) return value;
  throw new LonghaulError("TASK_OUTPUT_INVALID", `What stands in for the output of ${name} is no text. Return a text that is not empty, or give the agent an output schema.`);
}

/** What of that which went into the output was degraded; null when nothing was. */
function describeDegradedInput({ engine, degradedCalls }: RunScope): string | null {
  const given = engine.task.doubts.includes("degraded") ? ["it was begun with a degraded output of another task"] : [];
  const all = [...given, ...new Set(degradedCalls)];
  return all.length === 0 ? null : cutText(all.join("; "));
}

function endOf(scope: RunScope, output: unknown, verdict: Verdict | null): RunEnd {
  const { engine, worker, services } = scope;
  const stored = toJson(output, `The output of ${worker.name}`);
  // Whatever went into it: a verify of its own accepted it, and that counts.
  const reason = describeStandIns(scope.standIns) ?? (verdict === null ? describeDegradedInput(scope) : null);
  const outcome = reason !== null ? "degraded" : verdict === null ? "unverified" : "verified";
  const end: TaskEnd = { status: "done", outcome, output: stored, evidence: verdict?.evidence ?? null, reason };
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
