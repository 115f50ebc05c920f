import type { LanguageModelV4 } from "@ai-sdk/provider";
import { modelIdOf } from "../model/model-id.ts";
import type { SecretReference } from "./secret.ts";

/** `"provider/model"` (`"anthropic/claude-sonnet-5-5"`, `"ollama/llama3"` for a declared endpoint) or any AI SDK model object. */
export type ModelReference = `${string}/${string}` | LanguageModelV4;

/** Models in the order in which they are asked, made by `fallback`. */
export interface FallbackDefinition {
  readonly kind: "fallback";
  readonly models: readonly ModelReference[];
}

/** What stands where a model goes: one, or several of which the first that can answers. */
export type ModelChoice = ModelReference | FallbackDefinition;

/** Models of one chain. */
export const fallbackModelsMax = 5;

/**
 * Two to five models. Each call asks the first; when that one is down, refuses the account or asks to be left alone for long, it asks the next, unless an answer had
 * begun. A task with such an answer ends `degraded`. The first model is asked again as soon as its breaker lets a call through.
 */
export function fallback(models: readonly [ModelReference, ModelReference, ...ModelReference[]]): FallbackDefinition {
  return { kind: "fallback", models };
}

export function listModels(choice: ModelChoice): readonly ModelReference[] {
  return typeof choice === "object" && "kind" in choice ? choice.models : [choice];
}

/** "anthropic/claude-sonnet-5-5". */
export function idOfModel(reference: ModelReference): string {
  return typeof reference === "string" ? reference : modelIdOf(reference);
}

/** Where a provider is reached. */
export interface EndpointDefinition {
  readonly kind: "endpoint";
  /** The part before the slash in a model reference. */
  readonly name: string;
  /** Which wire it speaks; null: its provider's own for "anthropic" and "openai", else "openai-compatible". */
  readonly wire: "anthropic" | "openai" | "openai-compatible" | null;
  readonly baseUrl: string;
  readonly apiKey: SecretReference | null;
  /** True when nobody real answers: every record and page then says so. */
  readonly simulated: boolean;
  /** Prices the calls as those of this listed model, "anthropic/claude-haiku-4-5", simulated or not. */
  readonly priceAs: string | null;
  /** Declared prices, by model name. */
  readonly prices: Readonly<Record<string, DeclaredPrice>>;
  /** Handles requests in this process instead of the network: the provider simulator's. */
  readonly fetch: ((request: Request) => Promise<Response>) | null;
}

/** Dollars per million tokens. */
export interface DeclaredPrice {
  readonly input: number;
  readonly output: number;
  /** Default: the price of input. */
  readonly cacheRead?: number;
  /** Default: the price of input. */
  readonly cacheWrite?: number;
}

export interface EndpointSpec {
  readonly name: string;
  /** Default: the provider's own for the names "anthropic" and "openai", else "openai-compatible". */
  readonly wire?: "anthropic" | "openai" | "openai-compatible";
  readonly baseUrl: string;
  readonly apiKey?: SecretReference;
  readonly simulated?: boolean;
  /** Prices the calls as those of this listed model. Default: its own listed price; nothing when simulated. */
  readonly priceAs?: string;
  /** By model name, for models that the price list does not know: without a price a budget cannot hold. */
  readonly prices?: Readonly<Record<string, DeclaredPrice>>;
  readonly fetch?: (request: Request) => Promise<Response>;
}

/** A model endpoint by base URL: a local Ollama or vLLM, a gateway, the provider simulator. A name such as "anthropic" replaces that provider's own endpoint. */
export function endpoint(spec: EndpointSpec): EndpointDefinition {
  const { wire = null, apiKey = null, simulated = false, priceAs = null, prices = {}, fetch = null } = spec;
  // What is not an option is kept, so that validateTeam can refuse it by name.
  return { ...spec, kind: "endpoint", wire, apiKey, simulated, priceAs, prices, fetch };
}
