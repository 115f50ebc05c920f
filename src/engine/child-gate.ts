import type { ChildGate, StepBody, StepEnd } from "./engine.ts";

/** What asking a gate comes to when the child may be made. */
export const letThrough: StepEnd = { outcome: { ok: true, value: null } };

/** Asks a gate as the body of the step that makes the child. */
export function gateBody(gate: ChildGate): StepBody {
  return async (execution) => {
    const answer = await gate.ask(execution);
    if (answer === null) return letThrough;
    const { held, writes = [] } = answer;
    return { outcome: { ok: true, value: { held } }, writes };
  };
}
