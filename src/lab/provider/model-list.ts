import type { JsonObject } from "../../base/json.ts";
import { faultModelNames } from "./named-fault.ts";
import { ProviderError } from "./provider-error.ts";
import type { ProviderFamily } from "./wire-format.ts";

/** Any other name is served too; these are the ones that the list shows. */
const modelNames: readonly string[] = ["sim-model", ...faultModelNames];
const createdAtMs = Date.UTC(2026, 0, 1);

/** `GET /v1/models` in the form of the asking client's provider. */
export function renderModelList({ name }: ProviderFamily): JsonObject {
  if (name === "openai") return { object: "list", data: modelNames.map(renderOpenAiModel) };
  return { data: modelNames.map(renderAnthropicModel), has_more: false, first_id: modelNames[0] ?? null, last_id: modelNames.at(-1) ?? null };
}

/** `GET /v1/models/{id}`. @throws {ProviderError} 404 */
export function renderModel(id: string, { name }: ProviderFamily): JsonObject {
  if (modelNames.includes(id)) return name === "openai" ? renderOpenAiModel(id) : renderAnthropicModel(id);
  if (name === "anthropic") throw new ProviderError(404, `model: ${id}`, { type: "not_found_error" });
  throw new ProviderError(404, `The model '${id}' does not exist`, { type: "invalid_request_error", param: "model", code: "model_not_found" });
}

function renderOpenAiModel(id: string): JsonObject {
  return { id, object: "model", created: createdAtMs / 1000, owned_by: "longhaul-simulator" };
}

function renderAnthropicModel(id: string): JsonObject {
  return {
    id,
    type: "model",
    display_name: `Simulated ${id}`,
    created_at: new Date(createdAtMs).toISOString(),
    lifecycle: "active",
    line: null,
    capabilities: null,
    max_input_tokens: 200_000,
    max_tokens: 64_000,
    deprecated_at: null,
    retires_at: null,
  };
}
