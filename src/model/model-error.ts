import { isLonghaulError, LonghaulError, messageOf } from "../base/error.ts";
import type { JsonObject } from "../base/json.ts";
import { classify } from "./classify.ts";
import type { ModelErrorCode, ModelFailure } from "./model-failure.ts";
import { redactSecrets } from "./redact.ts";

export interface ModelErrorContext {
  /** "anthropic/claude-sonnet-5-5". */
  readonly model: string;
  readonly provider: string;
  readonly nowMs: number;
  /** True when content of the answer had come: it was status 200, whatever a library makes of an error in the stream. Default false. */
  readonly hasBegun?: boolean;
  /** Values that no message may contain. */
  readonly secrets?: readonly string[];
}

/** Of a provider's answer this much is kept, in characters. */
const excerptLengthMax = 500;
const causeDepthMax = 6;

/** The coded error for anything that a provider library threw or put into its stream. Coded errors pass through. */
export function toModelError(thrown: unknown, context: ModelErrorContext): LonghaulError {
  if (isLonghaulError(thrown)) return thrown;
  const failure = toModelFailure(thrown);
  const { code, retry } = classify(failure, context.nowMs);
  const { secrets = [] } = context;
  const said = redactSecrets(failure.message, secrets).slice(0, excerptLengthMax).trim().replace(/[.\s]+$/, "");
  const begun = context.hasBegun === true || failure.status === 200;
  const status = begun ? " after the answer had begun" : failure.status === null ? "" : ` with status ${failure.status}`;
  return new LonghaulError(code, `${context.model} failed${status}: ${said || "no message"}. ${remedies[code]}`, {
    retry,
    cause: toSafeCause(thrown, secrets),
    details: detailsOf(failure, context),
  });
}

const remedies: Readonly<Record<ModelErrorCode, string>> = {
  MODEL_TRANSIENT: "It is tried again.",
  MODEL_THROTTLED: "It is tried again when the provider allows.",
  MODEL_OVERLOADED: "It is tried again.",
  MODEL_AUTH: "Check the provider's key (of an endpoint: its apiKey) and what it may use.",
  MODEL_BILLING: "Add credit or raise the limit at the provider.",
  MODEL_INVALID: "Mend the model's name or the option that the provider names.",
  MODEL_CONTEXT_OVERFLOW: "Send less: shorter instructions, input or tool results.",
  MODEL_CONTENT_FILTER: "Change the input or the instructions.",
  MODEL_TIMEOUT: "Raise the limit if the model is only slow.",
  MODEL_UNKNOWN: "It is tried again; report it if it stays.",
};

/** Reads the facts off an error of the AI SDK (an API call, a stream's error event, a missing key), of the network, or of anything else. */
export function toModelFailure(thrown: unknown): ModelFailure {
  const fields = asObject(thrown);
  const body = typeof fields["responseBody"] === "string" ? fields["responseBody"] : bodyOf(fields);
  const statusCode = fields["statusCode"] ?? fields["status"];
  const name = thrown instanceof Error ? thrown.name : "";
  const missingKey = name === "AI_LoadAPIKeyError" ? ["invalid_api_key"] : [];
  const broken = ["AI_JSONParseError", "AI_TypeValidationError", "AI_InvalidResponseDataError", "AI_EmptyResponseBodyError"].includes(name) ? ["interrupted"] : [];
  // What an SDK calls retryable without a status is a connection that could not be made.
  const unreachable = fields["isRetryable"] === true && statusCode === undefined ? "UNREACHABLE" : null;
  return {
    status: typeof statusCode === "number" ? statusCode : null,
    headers: headersOf(thrown),
    kinds: [...missingKey, ...broken, ...kindsOf(thrown), ...kindsOf(parseObject(body))],
    message: wordsOf(thrown, body),
    body,
    networkCode: networkCodeOf(thrown) ?? unreachable,
  };
}

/** The headers of the answer behind an error of the AI SDK, with names in lower case; none when there was no answer. */
export function headersOf(thrown: unknown): Readonly<Record<string, string>> {
  return lowerCaseKeys(asObject(thrown)["responseHeaders"]);
}

function wordsOf(thrown: unknown, body: string): string {
  const fields = asObject(thrown);
  const nested = asObject(fields["error"]);
  const message = fields["message"] ?? nested["message"];
  if (typeof message === "string" && message.trim() !== "") return message;
  // Some servers have a form of error of their own, which the library does not read.
  const { error, message: own, detail } = asObject(parseObject(body));
  return [error, own, detail].find((text) => typeof text === "string") ?? messageOf(thrown);
}

/** Types, codes and statuses at the places where providers put them, in lower case. */
function kindsOf(value: unknown): readonly string[] {
  const top = asObject(value);
  const layers = [top, asObject(top["error"]), asObject(top["data"]), asObject(asObject(top["data"])["error"]), asObject(asObject(top["response"])["error"])];
  const kinds = layers.flatMap((layer) => [layer["type"], layer["code"], layer["status"], asObject(layer["details"])["error_code"]]);
  return [...new Set(kinds.filter((kind) => typeof kind === "string").map((kind) => kind.toLowerCase()))];
}

function networkCodeOf(thrown: unknown): string | null {
  let current: unknown = thrown;
  let fetchFailed = false;
  for (let depth = 0; depth < causeDepthMax && current instanceof Error; depth++) {
    const code: unknown = asObject(current)["code"];
    if (typeof code === "string" && networkCodes.test(code)) return code;
    if (current.name === "TypeError" && /^(fetch failed|terminated|failed to fetch)$/i.test(current.message)) fetchFailed = true;
    current = current.cause;
  }
  return fetchFailed ? "FETCH_FAILED" : null;
}

const networkCodes = /^(E(CONN\w+|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|NETDOWN|NOTFOUND|AI_AGAIN|PROTO)|UND_ERR_\w+|ERR_(TLS|SSL|STREAM|HTTP2)_\w+|CERT_\w+|(DEPTH_ZERO_)?SELF_SIGNED_CERT\w*)$/;

function detailsOf(failure: ModelFailure, context: ModelErrorContext): JsonObject {
  const { secrets = [] } = context;
  const requestId = failure.headers["request-id"] ?? failure.headers["x-request-id"];
  return {
    provider: context.provider,
    model: context.model,
    status: context.hasBegun === true ? 200 : failure.status,
    ...(failure.kinds.length > 0 && { kinds: failure.kinds.map((kind) => redactSecrets(kind, secrets)) }),
    ...(failure.networkCode !== null && { networkCode: failure.networkCode }),
    ...(requestId !== undefined && { requestId }),
    ...(failure.body !== "" && { excerpt: redactSecrets(failure.body, secrets).slice(0, excerptLengthMax) }),
  };
}

/** The original error holds the whole prompt and may hold a key, so that only its name, message and code go on. */
function toSafeCause(thrown: unknown, secrets: readonly string[], depth = 0): Error | undefined {
  if (!(thrown instanceof Error) || depth >= causeDepthMax) return undefined;
  const cause = toSafeCause(thrown.cause, secrets, depth + 1);
  const safe = new Error(redactSecrets(thrown.message, secrets).slice(0, excerptLengthMax), cause === undefined ? undefined : { cause });
  Object.defineProperty(safe, "name", { value: thrown.name, configurable: true });
  const code = asObject(thrown)["code"];
  if (typeof code === "string") Object.defineProperty(safe, "code", { value: code, enumerable: true });
  return safe;
}

function bodyOf(fields: Readonly<Record<string, unknown>>): string {
  const data = fields["data"] ?? (fields instanceof Error ? undefined : fields);
  if (data === undefined || Object.keys(asObject(data)).length === 0) return "";
  try {
    return JSON.stringify(data);
  } catch {
    // Data with a cycle has no text; the message must do.
    return "";
  }
}

function parseObject(text: string): unknown {
  if (!text.trimStart().startsWith("{")) return {};
  try {
    return JSON.parse(text);
  } catch {
    // A body that is cut or is a page for people has no codes to read.
    return {};
  }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function lowerCaseKeys(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(asObject(value)).map(([name, text]) => [name.toLowerCase(), String(text)]));
}
