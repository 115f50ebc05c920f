import { describeValue } from "../base/describe-value.ts";
import { findClosest } from "./option-names.ts";
import type { Report } from "./problem.ts";

/** The providers that need no endpoint of their own. */
export const builtInProviders: readonly string[] = ["anthropic", "openai"];

/** Reports a model that is neither `provider/model` of a known provider nor an AI SDK model of the current specification. */
export function validateModel(report: Report, value: unknown, providers: readonly string[]): void {
  if (typeof value === "string") checkReference(report, value, providers);
  else if (typeof value === "object" && value !== null) checkModelObject(report, value as Readonly<Record<string, unknown>>);
  else report("model", value, 'Use "provider/model", such as "anthropic/claude-sonnet-5-5", or an AI SDK model.');
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

function checkModelObject(report: Report, model: Readonly<Record<string, unknown>>): void {
  if (typeof model["kind"] === "string" && ["fallback", "cascade", "byPhase", "route"].includes(model["kind"])) {
    report("model", model["kind"], `${model["kind"]}() is not built yet in this version; use one model.`);
  } else if (model["specificationVersion"] !== "v4") {
    report("model.specificationVersion", model["specificationVersion"], 'Use a model of AI SDK 7 (specification "v4"), or "provider/model".');
  } else if (typeof model["provider"] !== "string" || typeof model["modelId"] !== "string" || typeof model["doGenerate"] !== "function" || typeof model["doStream"] !== "function") {
    report("model", model["modelId"], "Use a complete AI SDK model: provider, modelId, doGenerate and doStream.");
  }
}
