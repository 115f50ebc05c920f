import { orAborted } from "../base/abort.ts";
import type { ChildGate } from "../engine/engine.ts";
import { dependencyOfCallee } from "../policy/callee-dependency.ts";
import type { Task } from "../record/task.ts";
import { breakerSignalPrefix, parkedToJson } from "./parked.ts";
import { placeOf, recordWrite } from "./run-record.ts";
import type { RunScope } from "./run-services.ts";
import { isRefusedByBreaker, parkedByRefusal, placeOfRefusal } from "./through-breaker.ts";
import { depthMax, type Worker } from "./worker.ts";

/**
 * Lets a call of an agent or flow begin unless its breaker is open: then the run waits outside, and asks again.
 * A run that is itself part of trying whether a callee works again is held by no other trial: agents that call each other would wait for each other.
 */
export function gateOfCallee(scope: RunScope, callee: Worker, taskId: string): ChildGate {
  const { breakers, random } = scope.services;
  const dependency = dependencyOfCallee(callee);
  return {
    async ask(execution) {
      try {
        await orAborted(execution.signal, () => breakers.enter(dependency, taskId));
        return null;
      } catch (error) {
        if (!isRefusedByBreaker(error)) throw error;
        if (error.details["state"] === "half-open" && (await orAborted(execution.signal, () => isUnderProbe(scope)))) return null;
        const record = recordWrite(scope, placeOfRefusal(placeOf(execution), error), { event_type: "breaker", result: "refused", reason: error.message, data: { ...error.details } });
        // It may be an hour until it is tried again: whoever closes it by hand has them called at once.
        return { held: parkedToJson({ ...parkedByRefusal(error, random), signal: `${breakerSignalPrefix}${dependency}` }), writes: [record] };
      }
    },
    giveBack: () => void breakers.note(dependency, taskId, "none"),
  };
}

/** True when this task, or one that waits for it, was let through to see whether its agent works again. */
async function isUnderProbe({ engine, services }: RunScope): Promise<boolean> {
  let task: Task | null = engine.task;
  for (let depth = 0; task !== null && task.parentRunId !== null && depth <= depthMax; depth++) {
    const worker = services.workers.get(task.agent);
    if (worker !== undefined && (await services.breakers.isProbe(dependencyOfCallee(worker), task.id))) return true;
    task = await services.taskOfRun(task.parentRunId);
  }
  return false;
}
