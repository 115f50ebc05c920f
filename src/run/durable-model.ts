import type { LanguageModelV4 } from "@ai-sdk/provider";
import type { ModelReference } from "../agent/model-reference.ts";
import { callModel } from "./model-call.ts";
import type { RunScope } from "./run-services.ts";
import { createTranscriptWriter } from "./transcript.ts";

/** `ctx.model(id)`: an AI SDK model whose calls are durable steps, priced, budgeted and recorded like an agent's own. */
export function createDurableModel(scope: RunScope, reference: ModelReference): LanguageModelV4 {
  const store = createTranscriptWriter(scope.services.redact);
  return scope.services.durableModel(reference, (prepare) =>
    callModel(scope, {
      name: "call",
      prepare: async ({ signal, idempotencyKey }) => {
        const call = await prepare();
        return {
          modelId: call.modelId,
          simulated: call.simulated,
          estimateMicroUsd: call.estimateMicroUsd,
          perform: async () => {
            const answer = await call.run({ signal, idempotencyKey });
            const stored = store([...call.messages, answer.message]);
            const data = { transcript: stored.headId, finishReason: answer.finishReason, responseModel: answer.responseModel };
            return { value: answer.value, usage: answer.usage, costMicroUsd: answer.costMicroUsd, data, writes: stored.writes };
          },
        };
      },
    }),
  );
}
