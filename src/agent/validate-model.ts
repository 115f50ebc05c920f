import { describeValue } from "../base/describe-value.ts";
import { findClosest } from "./option-names.ts";
import { fallbackModelsMax } from "./model-reference.ts";
import type { Report } from "./problem.ts";

/** The providers that need no endpoint of their own. */
export const builtInProviders: readonly string[] = ["anthropic", "openai"];

/** Reports a model that is neither `provider/model` of a known provider nor an AI SDK model of the current specification. */
export function validateModel(report: Report, value: unknown, providers: readonly string[]): void {
  if (typeof value === "string") checkReference(report, value, providers);
  else if (typeof value === "object" && value !== null) checkModelObject(report, value as Readonly<Record<string, unknown>>, providers);
  else report("model", value, 'Use "provider/model", such as "anthropic/claude-sonnet-5-5", or an AI SDK model.');
}

/** Reports what is wrong with a chain of models as a chain: too few, too many, one twice, a chain in a chain. True when it may be looked into. */
export function checkChain(report: Report, chain: Readonly<Record<string, unknown>>): chain is { readonly models: readonly unknown[] } {
  const { models } = chain;
  if (!Array.isArray(models) || models.length < 2 || models.length > fallbackModelsMax) {
    report("model.models", models, `Name from 2 to ${fallbackModelsMax} models: fallback(["anthropic/claude-sonnet-5-5", "openai/gpt-5.2"]).`);
    return false;
  }
  for (const [index, model] of models.entries() as ArrayIterator<[number, unknown]>) {
    if (models.indexOf(model) < index) report(`model.models[${index}]`, model, "It is in the chain already: what has just failed is not asked again. Name another.");
    if (isObject(model) && model["kind"] === "fallback") report(`model.models[${index}]`, "fallback", "A chain cannot stand in a chain; write its models into the outer one.");
  }
  return true;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function checkReference(report: Report, reference: string, providers: readonly string[]): void {
  const slash = reference.indexOf("/");
  const provider = reference.slice(0, Math.max(slash, 0));
  if (slash < 1 || reference.slice(slash + 1).trim() === "" || /\s/.test(reference)) {
    report("model", reference, 'Use "provider/model", such as "anthropic/claude-sonnet-5-5".');
  } else if (!providers.includes(provider)) {
    const closest = findClosest(provider, providers);
    const suggestion = closest === null ? "" : ` Did you mean ${closest}?`;
    report("model", reference, `The provider ${describeValue(provider)} is not known; known are ${providers.join(", ")}.${suggestion} Others are declared with endpoint({ name, baseUrl }) in the team's endpoints.`);
  }
}

function checkModelObject(report: Report, model: Readonly<Record<string, unknown>>, providers: readonly string[]): void {
  if (model["kind"] === "fallback") {
    if (!checkChain(report, model)) return;
    for (const [index, member] of model.models.entries()) {
      if (!isObject(member) || member["kind"] !== "fallback") validateModel((field, ...rest) => report(field.replace(/^model/, `model.models[${index}]`), ...rest), member, providers);
    }
  } else if (typeof model["kind"] === "string" && ["cascade", "byPhase", "route"].includes(model["kind"])) {
    report("model", model["kind"], `${model["kind"]}() is not built yet in this version; use one model.`);
  } else if (model["specificationVersion"] !== "v4") {
    report("model.specificationVersion", model["specificationVersion"], 'Use a model of AI SDK 7 (specification "v4"), or "provider/model".');
  } else if (typeof model["provider"] !== "string" || typeof model["modelId"] !== "string" || typeof model["doGenerate"] !== "function" || typeof model["doStream"] !== "function") {
    report("model", model["modelId"], "Use a complete AI SDK model: provider, modelId, doGenerate and doStream.");
  }
}
