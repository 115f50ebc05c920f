import type { LanguageModelV4 } from "@ai-sdk/provider";
import type { ModelChoice } from "../agent/model-reference.ts";
import type { Json } from "../base/json.ts";
import { deadError, isDeadError } from "./dead-error.ts";
import { callModel, type ModelCallPlan } from "./model-call.ts";
import type { ForeignCandidate, RunScope } from "./run-services.ts";
import { createTranscriptWriter } from "./transcript.ts";

/** `ctx.model(id)`: an AI SDK model whose calls are durable steps, priced, budgeted and recorded like an agent's own. */
export function createDurableModel(scope: RunScope, model: ModelChoice): LanguageModelV4 {
  const store = createTranscriptWriter();
  const { name, limits } = scope.worker;
  const perform = async (candidates: readonly ForeignCandidate[]): Promise<Json> => {
    if (++scope.counts.modelCalls > limits.turnsMax) {
      return await scope.ending.end(deadError("turn-limit", `${name} asked for more than ${limits.turnsMax} model calls in one task. Raise limits.turnsMax, or look at the run with \`longhaul show ${scope.engine.task.id}\`.`));
    }
    try {
      // Those of one run may be under way at once, each with a turn of its own.
      return await callModel(scope, { ...toModelPlan("call", candidates, store), caller: `call ${scope.counts.modelCalls}` });
    } catch (error) {
      if (isDeadError(error)) return await scope.ending.end(error);
      throw error;
    }
  };
  return scope.services.durableModel(model, { outputTokensMax: limits.outputTokensMax, timeouts: limits.modelTimeouts, perform });
}

/** A call that code of the AI SDK makes, as a plan like that of an agent's own call. `store` keeps its transcript. */
export function toModelPlan(name: string, candidates: readonly ForeignCandidate[], store: ReturnType<typeof createTranscriptWriter>): ModelCallPlan {
  return {
    name,
    candidates: candidates.map(({ id, prepare }) => ({
      id,
      prepare: async ({ signal, idempotencyKey }) => {
        const call = await prepare();
        return {
          ...call,
          perform: async (listener) => {
            const answer = await call.run({ signal, idempotencyKey, ...listener });
            const stored = store([...call.messages, answer.message]);
            const data = { transcript: stored.headId, finishReason: answer.finishReason, responseModel: answer.responseModel };
            return { value: answer.value, usage: answer.usage, costMicroUsd: answer.costMicroUsd, data, writes: stored.writes };
          },
        };
      },
    })),
  };
}
