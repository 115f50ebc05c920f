import type { LanguageModelV4 } from "@ai-sdk/provider";
import type { Clock } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";
import { hashOf, type JsonObject } from "../base/json.ts";
import { anthropicModel } from "./anthropic-wire.ts";
import { type ModelEndpoint, placeholderKey, type RequestHandler, type Wire, type WireOptions } from "./endpoint.ts";
import type { ModelPrice } from "./model-price.ts";
import type { Model } from "./model.ts";
import { openaiCompatibleModel } from "./openai-compatible-wire.ts";
import { openaiModel } from "./openai-wire.ts";
import { loadPrice } from "./price.ts";
import { modelIdOf } from "./model-id.ts";
import { languageModel } from "./provider.ts";

export interface ModelRegistryOptions {
  readonly clock: Clock;
  /** Looks a key up by its variable's name; asked again for every request, so that a rotated key counts. */
  readonly secret: (name: string) => string | undefined;
  /** By the part before the slash of a reference. "anthropic" and "openai" replace the provider's own endpoint. */
  readonly endpoints?: Readonly<Record<string, ModelEndpoint>> | undefined;
}

export interface ModelRegistry {
  /** The model of "provider/model" or of an AI SDK model. The same reference gives the same model. @throws {MODEL_AUTH, OPTION_INVALID} */
  resolve(reference: string | LanguageModelV4): Promise<Model>;
  /** The AI SDK model behind a reference. @throws {MODEL_AUTH, OPTION_INVALID} */
  resolveLanguageModel(reference: string | LanguageModelV4): Promise<LanguageModelV4>;
  /** Looks whether a model can be asked, and loads nothing. @throws {MODEL_AUTH, OPTION_INVALID, SECRET_MISSING} */
  check(reference: string | LanguageModelV4): void;
}

interface KnownProvider {
  readonly wire: Wire;
  readonly baseUrl: string;
  readonly keyVariable: string;
  readonly baseUrlVariable: string;
  readonly providerOptions?: JsonObject;
}

const knownProviders: Readonly<Record<string, KnownProvider>> = {
  anthropic: { wire: "anthropic", baseUrl: "https://api.anthropic.com/v1", keyVariable: "ANTHROPIC_API_KEY", baseUrlVariable: "ANTHROPIC_BASE_URL" },
  openai: { wire: "openai", baseUrl: "https://api.openai.com/v1", keyVariable: "OPENAI_API_KEY", baseUrlVariable: "OPENAI_BASE_URL" },
};

/** A transcript outlives what OpenAI stores for 30 days, so that reasoning travels with it, encrypted, instead of by reference. */
const wireOptionsDefault: Readonly<Record<Wire, JsonObject | undefined>> = {
  anthropic: undefined,
  openai: { openai: { store: false } },
  "openai-compatible": undefined,
};

const wires: Readonly<Record<Wire, (model: string, options: WireOptions) => Promise<LanguageModelV4>>> = {
  anthropic: anthropicModel,
  openai: openaiModel,
  "openai-compatible": openaiCompatibleModel,
};

/** Finds models by reference. Provider libraries are loaded when the first of their models is asked for. */
export function createModelRegistry(options: ModelRegistryOptions): ModelRegistry {
  const models = createCache((reference) => createModel(reference, options, languageModels.get));
  const languageModels = createCache(async (reference) => (typeof reference === "string" ? createLanguageModel(toRoute(reference, options)) : assertVersion(reference)));
  return {
    resolve: models.get,
    resolveLanguageModel: languageModels.get,
    check(reference) {
      if (typeof reference === "string") toRoute(reference, options).key();
      else assertVersion(reference);
    },
  };
}

/** A reference with all that is needed to follow it. */
interface Route {
  readonly reference: string;
  readonly provider: string;
  readonly model: string;
  readonly wire: Wire;
  readonly baseUrl: string;
  readonly endpoint: ModelEndpoint | undefined;
  /** The key of this moment; null when none is to be sent. @throws {MODEL_AUTH} */
  readonly key: () => string | null;
}

function toRoute(reference: string, { secret, endpoints = {} }: ModelRegistryOptions): Route {
  const slash = reference.indexOf("/");
  const provider = reference.slice(0, Math.max(slash, 0));
  const model = reference.slice(slash + 1);
  const endpoint = Object.hasOwn(endpoints, provider) ? endpoints[provider] : undefined;
  const known = Object.hasOwn(knownProviders, provider) ? knownProviders[provider] : undefined;
  const baseUrl = endpoint?.baseUrl ?? (known && (filled(secret(known.baseUrlVariable)) ?? known.baseUrl));
  if (provider === "" || model === "" || baseUrl === undefined) throw unknownReference(reference, provider, Object.keys(endpoints));
  assertBaseUrl(baseUrl, provider);
  const key = (): string | null => {
    const own = typeof endpoint?.apiKey === "function" ? endpoint.apiKey() : endpoint?.apiKey;
    const value = filled(own) ?? (known && filled(secret(known.keyVariable)));
    if (value !== undefined) return value;
    if (known && endpoint?.simulated !== true) throw missingKey(reference, known.keyVariable);
    return endpoint?.simulated === true ? "simulated" : null;
  };
  return { reference, provider, model, wire: endpoint?.wire ?? known?.wire ?? "openai-compatible", baseUrl, endpoint, key };
}

async function createLanguageModel(route: Route): Promise<LanguageModelV4> {
  route.key();
  const { provider, model, wire, baseUrl, endpoint } = route;
  return wires[wire](model, { name: provider, baseUrl, headers: endpoint?.headers ?? {}, fetch: keyedFetch(route, endpoint?.fetch) });
}

async function createModel(
  reference: string | LanguageModelV4,
  options: ModelRegistryOptions,
  resolve: (reference: string | LanguageModelV4) => Promise<LanguageModelV4>,
): Promise<Model> {
  const { clock } = options;
  const model = await resolve(reference);
  if (typeof reference !== "string") return languageModel(model, { clock, price: await loadPrice(modelIdOf(model), clock.now()) });
  const route = toRoute(reference, options);
  const providerOptions = wireOptionsDefault[route.wire];
  return languageModel(model, {
    clock,
    id: reference,
    provider: route.provider,
    account: () => accountOf(route),
    simulated: route.endpoint?.simulated ?? false,
    price: await priceOf(route, clock),
    secrets: () => secretsOf(route),
    ...(providerOptions !== undefined && { providerOptions }),
  });
}

/** "openai api.openai.com/v1 3f2a9c1e": two teams with one key share its limits, two keys of one provider do not. */
function accountOf({ provider, baseUrl, key }: Route): string {
  const { host, pathname } = new URL(baseUrl);
  return `${provider} ${host}${pathname === "/" ? "" : pathname} ${keyHash(key)}`;
}

const keyHashLength = 8;

function keyHash(key: Route["key"]): string {
  try {
    const value = key();
    return value === null ? "without a key" : hashOf(value).slice(0, keyHashLength);
  } catch {
    // It went missing after the model was made: the call itself will say so.
    return "without a key";
  }
}

async function priceOf({ reference, model, endpoint }: Route, clock: Clock): Promise<ModelPrice | null> {
  const declared = endpoint?.prices !== undefined && Object.hasOwn(endpoint.prices, model) ? endpoint.prices[model] : undefined;
  if (declared !== undefined) return declared;
  if (endpoint?.priceAs !== undefined) return assertPrice(await loadPrice(endpoint.priceAs, clock.now()), endpoint.priceAs);
  return endpoint?.simulated === true ? null : loadPrice(reference, clock.now());
}

function assertPrice(price: ModelPrice | null, priceAs: string): ModelPrice {
  if (price !== null) return price;
  throw new LonghaulError("OPTION_INVALID", `priceAs is "${priceAs}", which the price list does not hold. Name a listed model, or declare the price.`);
}

function secretsOf(route: Route): readonly string[] {
  const { endpoint } = route;
  const headers = Object.values(endpoint?.headers ?? {}).filter((value) => value.length >= 12);
  try {
    return [route.key(), ...headers].filter((value): value is string => value !== null && value !== "simulated");
  } catch {
    // The key went missing after the model was made: there is nothing to hide.
    return headers;
  }
}

/** Sets the key of the moment on each request, and sends it over the network or to the given handler. */
function keyedFetch(route: Route, handler: RequestHandler | undefined): typeof globalThis.fetch {
  return (input, init) => {
    const request = new Request(input, init);
    setKey(request, route);
    if (handler !== undefined) return handler(request);
    // What follows a signal is held weakly: a collected Request would no longer hear its abort, and a call that hangs would keep its connection for ever.
    const signal = init?.signal ?? (input instanceof Request ? input.signal : null);
    return globalThis.fetch(request, { signal });
  };
}

/** @throws {MODEL_AUTH} for what no header may hold: nothing was sent, so that nobody bills it, and another try comes to the same. */
function setKey({ headers }: Request, { reference, wire, key }: Route): void {
  const value = key();
  try {
    if (wire === "anthropic" && value !== null) headers.set("x-api-key", value);
    else if (wire === "anthropic") headers.delete("x-api-key");
    else if (value !== null) headers.set("authorization", `Bearer ${value}`);
    else if (headers.get("authorization")?.endsWith(placeholderKey) === true) headers.delete("authorization");
  } catch {
    // What refused it names the key.
    throw new LonghaulError("MODEL_AUTH", `${reference} was not asked: its key holds characters that no header may, such as the end of a line. Set it again.`);
  }
}

function filled(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === "" ? undefined : value.trim();
}

function assertBaseUrl(baseUrl: string, provider: string): void {
  const url = URL.parse(baseUrl);
  if (url !== null && url.username + url.password !== "") throw new LonghaulError("OPTION_INVALID", `baseUrl of the endpoint "${provider}" holds a user or a password (${url.host}), and no request can be made to such an address. Leave them out, and give the key by the endpoint's apiKey or the provider's variable.`);
  if (url !== null && /^https?:/.test(baseUrl)) return;
  throw new LonghaulError("OPTION_INVALID", `baseUrl of the endpoint "${provider}" is ${JSON.stringify(baseUrl)}. Use an http or https address such as "http://127.0.0.1:11434/v1".`);
}

function assertVersion(model: LanguageModelV4): LanguageModelV4 {
  if (model.specificationVersion === "v4") return model;
  const version = String((model as { readonly specificationVersion?: unknown }).specificationVersion);
  throw new LonghaulError("OPTION_INVALID", `A model has specificationVersion ${version}. Use a provider of AI SDK 7 (specification v4), or a text such as "anthropic/claude-sonnet-5-5".`);
}

function missingKey(reference: string, variable: string): LonghaulError {
  return new LonghaulError("MODEL_AUTH", `${reference} has no key. Set the environment variable ${variable}.`, { details: { model: reference, variable } });
}

function unknownReference(reference: string, provider: string, declared: readonly string[]): LonghaulError {
  const names = [...new Set([...Object.keys(knownProviders), ...declared])].join(", ");
  const what = provider === "" ? `The model "${reference}" names no provider` : `The model "${reference}" has the unknown provider "${provider}"`;
  return new LonghaulError("OPTION_INVALID", `${what}. Known: ${names}. Write "provider/model", or declare an endpoint for it: endpoint({ name, baseUrl: "http://127.0.0.1:11434/v1" }).`);
}

/** One value per reference; a failure is not kept, so that a key that is set later is found. */
function createCache<T>(create: (reference: string | LanguageModelV4) => Promise<T>): { readonly get: (reference: string | LanguageModelV4) => Promise<T> } {
  const values = new Map<string | LanguageModelV4, Promise<T>>();
  return {
    get(reference) {
      const known = values.get(reference);
      if (known !== undefined) return known;
      const made = create(reference);
      values.set(reference, made);
      made.catch(() => values.delete(reference));
      return made;
    },
  };
}
