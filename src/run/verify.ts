import type { Verdict } from "../agent/agent-definition.ts";
import { isJsonObject, type Json, toJson } from "../base/json.ts";
import { LonghaulError } from "../base/error.ts";
import type { StepEnd, StepExecution } from "../engine/engine.ts";
import type { Message } from "../record/message.ts";
import type { StandIn } from "./model-chain.ts";
import { type Parked, parkedToJson, parseParked, waitParked } from "./parked.ts";
import type { RunScope } from "./run-services.ts";
import { runUserStep } from "./user-step.ts";
import { VerifyCalls, type VerifyPlace } from "./verify-calls.ts";

/** What is to be verified. */
interface Handed {
  readonly input: unknown;
  readonly output: unknown;
  readonly transcript: readonly Message[];
}

/** `verify` as its own step; null when none is declared. A model or a tool that it asks and that cannot answer now makes the run wait, and it is made again. */
export async function verifyOutput(scope: RunScope, input: unknown, output: unknown, transcript: readonly Message[]): Promise<Verdict | null> {
  if (!scope.worker.spec.verify) return null;
  let firstKey: string | null = null;
  let before: Parked | null = null;
  for (let failures = 0; ; ) {
    const round = failures + 1;
    const key: string | null = firstKey;
    const value = await scope.engine.step({ kind: "verify", name: "verify" }, (execution) => verifyStep(scope, execution, { input, output, transcript }, { key: key ?? execution.idempotencyKey, round }));
    const parked = parseParked(value);
    if (parked === null) {
      const { verdict, standIns } = readVerdict(value);
      scope.standIns.push(...standIns);
      return verdict;
    }
    firstKey = parked.effectKey;
    if (parked.parked === "retry") failures++;
    await waitParked(scope.engine, "verify", parked, before);
    before = parked;
  }
}

async function verifyStep(scope: RunScope, execution: StepExecution, handed: Handed, place: VerifyPlace): Promise<StepEnd> {
  const { name, spec, limits } = scope.worker;
  const { clock } = scope.services;
  const calls = new VerifyCalls(scope, execution, place);
  const end = await runUserStep(scope, execution, { what: `${name}: verify`, timeoutMs: limits.verifyTimeoutMs, option: "limits.verifyTimeout" }, async (signal) => {
    const startedMs = clock.monotonicMs();
    const current = calls.begin(signal);
    const verify = async (): Promise<unknown> => spec.verify?.({
      ...handed,
      signal,
      ...current.given,
      accept: (evidence = null) => ({ accepted: true, evidence }),
      reject: (reason, evidence = null) => ({ accepted: false, reason, evidence }),
    });
    const returned = await calls.orParked(verify).finally(() => current.end());
    if (calls.parked !== null) return { value: parkedToJson(calls.parked) };
    const verdict = parseVerdict(name, returned);
    return {
      value: verdictToJson(name, verdict, current.standIns),
      record: {
        event_type: "verify",
        result: verdict.accepted ? "accepted" : "rejected",
        reason: verdict.accepted ? null : verdict.reason,
        duration_ms: Math.round(clock.monotonicMs() - startedMs),
        data: { evidence: toJson(verdict.evidence, `${name}: the evidence of verify`) },
      },
    };
  });
  await calls.settle();
  return { ...end, writes: [...(end.writes ?? []), ...calls.writes] };
}

/** Stand-ins that answered a verify go into the journal with its verdict, so that a replay knows them too. */
function verdictToJson(name: string, verdict: Verdict, standIns: readonly StandIn[]): Json {
  const { accepted, evidence } = verdict;
  return toJson({ accepted, ...(verdict.accepted ? {} : { reason: verdict.reason }), evidence, ...(standIns.length === 0 ? {} : { standIns }) }, `${name}: what verify returned`);
}

function readVerdict(value: Json): { readonly verdict: Verdict; readonly standIns: readonly StandIn[] } {
  const { standIns = [], ...verdict } = value as Record<string, Json>;
  return { verdict: verdict as unknown as Verdict, standIns: standIns as unknown as readonly StandIn[] };
}

/** JavaScript callers may return anything. */
function parseVerdict(name: string, returned: unknown): Verdict {
  if (isJsonObject(returned) && (returned["accepted"] === true || (returned["accepted"] === false && typeof returned["reason"] === "string"))) return returned as unknown as Verdict;
  throw new LonghaulError("TASK_OUTPUT_INVALID", `verify of ${name} returned ${JSON.stringify(returned)}. Return accept(evidence) or reject(reason, evidence).`);
}
