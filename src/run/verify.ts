import type { Verdict } from "../agent/agent-definition.ts";
import { isJsonObject, toJson } from "../base/json.ts";
import { LonghaulError } from "../base/error.ts";
import type { StepEnd, StepExecution } from "../engine/engine.ts";
import type { Message } from "../record/message.ts";
import { parkedToJson, parseParked } from "./parked.ts";
import type { RunScope } from "./run-services.ts";
import { runUserStep } from "./user-step.ts";
import { VerifyCalls } from "./verify-calls.ts";

/** What is to be verified. */
interface Handed {
  readonly input: unknown;
  readonly output: unknown;
  readonly transcript: readonly Message[];
}

/** `verify` as its own step; null when none is declared. A model that it asks and that cannot answer now makes the run wait, and it is made again. */
export async function verifyOutput(scope: RunScope, input: unknown, output: unknown, transcript: readonly Message[]): Promise<Verdict | null> {
  if (!scope.worker.spec.verify) return null;
  for (let failures = 0; ; ) {
    const round = failures + 1;
    const value = await scope.engine.step({ kind: "verify", name: "verify" }, (execution) => verifyStep(scope, execution, { input, output, transcript }, round));
    const parked = parseParked(value);
    if (parked === null) return value as unknown as Verdict;
    if (parked.parked === "retry") failures++;
    await scope.engine.wait({
      name: "verify/parked",
      reason: parked.parked,
      ...(parked.forMs === null ? {} : { timeoutMs: parked.forMs }),
      ...(parked.signal === null ? {} : { signal: parked.signal }),
    });
  }
}

async function verifyStep(scope: RunScope, execution: StepExecution, handed: Handed, round: number): Promise<StepEnd> {
  const { clock } = scope.services;
  const { name, spec, limits } = scope.worker;
  const calls = new VerifyCalls(scope, execution, round);
  const end = await runUserStep(scope, execution, { what: `${name}: verify`, timeoutMs: limits.verifyTimeoutMs, option: "limits.verifyTimeout" }, async (signal) => {
    const startedMs = clock.monotonicMs();
    const returned = await calls.orParked(async () => spec.verify?.({
      ...handed,
      signal,
      ...calls.within(signal),
      accept: (evidence = null) => ({ accepted: true, evidence }),
      reject: (reason, evidence = null) => ({ accepted: false, reason, evidence }),
    }));
    if (calls.parked !== null) return { value: parkedToJson(calls.parked) };
    const verdict = parseVerdict(name, returned);
    return {
      value: toJson(verdict, `${name}: what verify returned`),
      record: {
        event_type: "verify",
        result: verdict.accepted ? "accepted" : "rejected",
        reason: verdict.accepted ? null : verdict.reason,
        duration_ms: Math.round(clock.monotonicMs() - startedMs),
        data: { evidence: toJson(verdict.evidence, `${name}: the evidence of verify`) },
      },
    };
  });
  return { ...end, writes: [...(end.writes ?? []), ...calls.writes] };
}

/** JavaScript callers may return anything. */
function parseVerdict(name: string, returned: unknown): Verdict {
  if (isJsonObject(returned) && (returned["accepted"] === true || (returned["accepted"] === false && typeof returned["reason"] === "string"))) return returned as unknown as Verdict;
  throw new LonghaulError("TASK_OUTPUT_INVALID", `verify of ${name} returned ${JSON.stringify(returned)}. Return accept(evidence) or reject(reason, evidence).`);
}
