import type { ModelPrice } from "./model-price.ts";

export type Wire = "anthropic" | "openai" | "openai-compatible";

/** Answers a request in this process instead of the network. */
export type RequestHandler = (request: Request) => Promise<Response>;

/** Where a provider is reached. */
export interface ModelEndpoint {
  /** With the version, as the provider's libraries want it: "http://127.0.0.1:11434/v1". */
  readonly baseUrl: string;
  /** Default: the provider's own for "anthropic" and "openai", else "openai-compatible". */
  readonly wire?: Wire | undefined;
  /** A function is asked again for every request. Default: the provider's variable for "anthropic" and "openai", else none is sent. */
  readonly apiKey?: string | (() => string | undefined) | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** True when nobody real answers: no key is needed, nothing is charged. */
  readonly simulated?: boolean | undefined;
  readonly fetch?: RequestHandler | undefined;
  /** Price the calls as those of this model, "anthropic/claude-opus-5-5", simulated or not. */
  readonly priceAs?: string | undefined;
  /** A declared price, by model name, for models that the price list does not know. */
  readonly prices?: Readonly<Record<string, ModelPrice>> | undefined;
}

/** What a wire needs to make a model. `fetch` sets the key itself, so that a rotated key counts from the next request on. */
export interface WireOptions {
  readonly name: string;
  readonly baseUrl: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: typeof globalThis.fetch;
}

/** Stands where a library insists on a key; the real one replaces it in the request. */
export const placeholderKey = "set-by-longhaul";
