import type { LanguageModelV4, LanguageModelV4CallOptions } from "@ai-sdk/provider";
import { type EndpointDefinition, idOfModel, listModels, type ModelChoice, type ModelReference } from "../agent/model-reference.ts";
import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { asLanguageModel } from "../model/as-language-model.ts";
import { durableLanguageModel, readDurableAnswer, type RunModelStep } from "../model/durable-language-model.ts";
import type { ModelEndpoint } from "../model/endpoint.ts";
import { fromPrompt } from "../model/from-prompt.ts";
import type { Model } from "../model/model.ts";
import { fixedPrice } from "../model/model-price.ts";
import { createModelRegistry, type ModelRegistry } from "../model/registry.ts";
import type { DurableModelPlan, ForeignModelCall } from "../run/run-services.ts";
import type { Secrets } from "./secrets.ts";

export interface ModelServices {
  readonly resolveModel: (reference: ModelReference) => Promise<Model>;
  /** Looks whether a model can be asked, and loads nothing. @throws {MODEL_AUTH, OPTION_INVALID, SECRET_MISSING} */
  readonly checkModel: (reference: ModelReference) => void;
  readonly durableModel: (model: ModelChoice, plan: DurableModelPlan) => LanguageModelV4;
}

export interface ModelServicesOptions {
  readonly clock: Clock;
  readonly secrets: Secrets;
  readonly endpoints: readonly EndpointDefinition[];
  readonly modelFor: (reference: ModelReference) => Model | null;
}

/** Models by reference, for agents and for `ctx.model`. */
export function createModelServices({ clock, secrets, endpoints, modelFor }: ModelServicesOptions): ModelServices {
  const registry = createModelRegistry({ clock, secret: secrets.variable, endpoints: Object.fromEntries(endpoints.map((definition) => [definition.name, toEndpoint(definition, secrets)])) });
  const resolveModel = async (reference: ModelReference): Promise<Model> => modelFor(reference) ?? registry.resolve(reference);
  return {
    resolveModel,
    checkModel(reference) {
      if (!isReplaced(reference, modelFor)) registry.check(reference);
    },
    durableModel(choice, { outputTokensMax, timeouts, perform }) {
      const [first, ...others] = listModels(choice).map((reference) => ({ reference, id: idOfModel(reference), languageModel: lazyModel(reference, modelFor, registry) }));
      assert(first !== undefined, "a chain of models without a model");
      const runStep: RunModelStep = (call, body) => {
        const messages = fromPrompt(call);
        const prepare = async ({ reference, id, languageModel }: typeof first): Promise<ForeignModelCall> => {
          const model = await resolveModel(reference);
          return {
            modelId: id,
            account: model.account,
            provider: model.provider,
            simulated: model.simulated,
            messages,
            outputTokensMax: call.maxOutputTokens ?? outputTokensMax,
            estimateMicroUsd: model.estimateMicroUsd({ messages, outputTokensMax: call.maxOutputTokens ?? outputTokensMax }),
            run: async ({ signal, idempotencyKey, onContent, onLimits }) => {
              const standIn = id === first.id ? undefined : { id, model: languageModel };
              const value = await body({ headers: { "idempotency-key": idempotencyKey }, signal, onContent, onLimits, standIn });
              const { usage, responseModel, finishReason, message } = readDurableAnswer(value);
              return { value, message, finishReason, usage, costMicroUsd: model.costMicroUsd(usage), responseModel };
            },
          };
        };
        return perform([first, ...others].map((candidate) => ({ id: candidate.id, prepare: () => prepare(candidate) })));
      };
      return durableLanguageModel(first.languageModel, runStep, { clock, id: first.id, outputTokensMax, timeouts, secrets: secrets.known });
    },
  };
}

/** A test's models that have none of this name say so when it is called. */
function isReplaced(reference: ModelReference, modelFor: ModelServicesOptions["modelFor"]): boolean {
  try {
    return modelFor(reference) !== null;
  } catch {
    return true;
  }
}

function toEndpoint(definition: EndpointDefinition, secrets: Secrets): ModelEndpoint {
  const { wire, baseUrl, apiKey, simulated, priceAs, prices, fetch } = definition;
  return {
    baseUrl,
    simulated,
    prices: Object.fromEntries(Object.entries(prices).map(([model, price]) => [model, fixedPrice(price)])),
    ...(wire === null ? {} : { wire }),
    ...(apiKey === null ? {} : { apiKey: () => secrets.value(apiKey) }),
    ...(priceAs === null ? {} : { priceAs }),
    ...(fetch === null ? {} : { fetch }),
  };
}

/** The AI SDK wants a model at once; its provider's library is loaded at the first call. */
function lazyModel(reference: ModelReference, modelFor: ModelServicesOptions["modelFor"], registry: ModelRegistry): LanguageModelV4 {
  const replaced = modelFor(reference);
  if (replaced !== null) return asLanguageModel(replaced);
  if (typeof reference !== "string") return reference;
  const slash = reference.indexOf("/");
  const real = (): Promise<LanguageModelV4> => registry.resolveLanguageModel(reference);
  return {
    specificationVersion: "v4",
    provider: reference.slice(0, slash),
    modelId: reference.slice(slash + 1),
    supportedUrls: {},
    doGenerate: async (call: LanguageModelV4CallOptions) => (await real()).doGenerate(call),
    doStream: async (call: LanguageModelV4CallOptions) => (await real()).doStream(call),
  };
}
