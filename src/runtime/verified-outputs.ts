import { canonicalJson } from "../base/json.ts";
import type { Engine } from "../engine/engine.ts";
import type { RunServices, VerifiedOutput } from "../run/run-services.ts";

/** Tasks of an agent that are done and looked at, the newest. */
const verifiedTasksMax = 200;

/** Looks through what an agent has done. Inputs are compared as canonical JSON, so that the order of their fields does not matter. */
export function createVerifiedOutputs({ list }: Pick<Engine, "list">): RunServices["findVerified"] {
  return async (agent, input, sinceMs) => {
    const wanted = canonicalJson(input);
    const done = await list({ agent, statuses: ["done"], limit: verifiedTasksMax });
    const found = done.flatMap((task): readonly VerifiedOutput[] => {
      const { end, endedAtMs } = task;
      if (end?.status !== "done" || end.outcome !== "verified" || endedAtMs === null || endedAtMs < sinceMs || canonicalJson(task.input) !== wanted) return [];
      return [{ taskId: task.id, endedAtMs, output: end.output, evidence: end.evidence }];
    });
    return found.toSorted((a, b) => b.endedAtMs - a.endedAtMs)[0] ?? null;
  };
}
