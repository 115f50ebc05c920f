import { isJsonObject, type Json, type JsonObject } from "../../base/json.ts";
import { invalidRequest, ProviderError, type ProviderErrorFields } from "./provider-error.ts";
import { assertStrictSchema } from "./openai-strict-schema.ts";
import type { SimulatedTool, SimulatedToolChoice } from "./simulated-request.ts";
import { formatSpan } from "./stated-wait.ts";
import type { FailureReason, ProviderFamily, RateLimit } from "./wire-format.ts";

/** What all OpenAI APIs share. */
export const openAiFamily: ProviderFamily = {
  name: "openai",
  // A comment line: event parsers skip it.
  keepAliveText: ": keep-alive\n\n",
  assertCredentials,
  defaultError,
  renderError: renderOpenAiError,
  renderHeaders: (requestId, limit) => ({
    "x-request-id": requestId,
    "openai-version": "2020-10-01",
    "openai-organization": "org-sim",
    "openai-processing-ms": "1",
    ...(limit !== null && renderRateLimit(limit)),
  }),
};

function assertCredentials(headers: Headers): void {
  if (/^bearer\s+\S+/i.test(headers.get("authorization") ?? "")) return;
  throw new ProviderError(
    401,
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
    { type: "invalid_request_error" },
  );
}

function renderOpenAiError(error: ProviderError): JsonObject {
  const { type, param, code } = error.fields;
  return { error: { message: error.message, type, param: param ?? null, code: code ?? null } };
}

const invalid = "invalid_request_error";
const errorByStatus: Readonly<Record<number, readonly [message: string, fields: ProviderErrorFields]>> = {
  400: ["Invalid request.", { type: invalid }],
  401: ["Incorrect API key provided: sim-****.", { type: invalid, code: "invalid_api_key" }],
  402: ["Insufficient balance.", { type: "insufficient_quota", code: "insufficient_quota" }],
  403: ["You have insufficient permissions for this operation.", { type: invalid, code: "insufficient_permissions" }],
  404: ["The requested resource was not found.", { type: invalid, code: "not_found" }],
  429: ["Rate limit reached for requests. Please try again later.", { type: "requests", code: "rate_limit_exceeded" }],
  503: ["The engine is currently overloaded, please try again later", { type: "service_unavailable_error", code: "server_overloaded" }],
};

/** By reason, what the body says. */
const errorByReason: Readonly<Record<Exclude<FailureReason, "rate-limit">, (status: number) => readonly [message: string, fields: ProviderErrorFields]>> = {
  "spend-limit": (status) =>
    status === 400
      ? ["Billing hard limit has been reached", { type: invalid, code: "billing_hard_limit_reached" }]
      : ["You exceeded your current quota, please check your plan and billing details.", { type: "insufficient_quota", code: "insufficient_quota" }],
  credit: (status) =>
    status === 403
      ? ["Your team has used all available credits or reached its monthly spending limit.", { type: "permission_denied" }]
      : ["Insufficient Balance", { type: "unknown_error", code: "invalid_request_error" }],
  "inactive-account": () => ["Your account is not active, please check your billing details on our website.", { type: "billing_not_active", code: "billing_not_active" }],
  "context-overflow": (status) =>
    status === 429
      ? ["Request too large for sim-model in organization org-sim on tokens per min (TPM): Limit 30000, Requested 40000. The input or output tokens must be reduced in order to run successfully.", { type: "tokens", code: "rate_limit_exceeded" }]
      : ["This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens. Please reduce the length of the messages.", { type: invalid, param: "messages", code: "context_length_exceeded" }],
  "content-policy": () => [
    "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt.",
    { type: invalid, code: "invalid_prompt" },
  ],
};

function defaultError(status: number, reason: FailureReason | undefined): ProviderError {
  if (reason !== undefined && reason !== "rate-limit") return new ProviderError(status, ...errorByReason[reason](status));
  const fallback: readonly [string, ProviderErrorFields] =
    status < 500
      ? ["Invalid request.", { type: invalid }]
      : ["The server had an error while processing your request. Sorry about that!", { type: "server_error" }];
  const [message, fields] = errorByStatus[status] ?? fallback;
  return new ProviderError(status, message, fields);
}

function renderRateLimit(limit: RateLimit): Readonly<Record<string, string>> {
  const reset = formatSpan(limit.resetAtMs - limit.nowMs);
  return {
    "x-ratelimit-limit-requests": String(limit.requestsMax),
    "x-ratelimit-remaining-requests": String(limit.requestsLeft),
    "x-ratelimit-reset-requests": reset,
    "x-ratelimit-limit-tokens": String(limit.tokensMax),
    "x-ratelimit-remaining-tokens": String(limit.tokensLeft),
    "x-ratelimit-reset-tokens": reset,
  };
}

/** The refusal for a parameter that is not there. */
export function missingParameter(param: string): ProviderError {
  return invalidRequest(`Missing required parameter: '${param}'.`, { param, code: "missing_required_parameter" });
}

/** The refusal for a value outside a list. */
export function invalidValue(param: string, value: Json | undefined, supported: readonly string[]): ProviderError {
  const list = supported.map((item, index) => `${index > 0 && index === supported.length - 1 ? "and " : ""}'${item}'`).join(", ");
  return invalidRequest(`Invalid value: '${String(value)}'. Supported values are: ${list}.`, { param, code: "invalid_value" });
}

/** The output limit, which has a different name and minimum in each API. */
export function parseOutputLimit(value: Json | undefined, param: string, min: number): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== "number" || !Number.isInteger(value)) {
    throw invalidRequest(`Invalid type for '${param}': expected an integer.`, { param, code: "invalid_type" });
  }
  if (value >= min) return value;
  const message = `Invalid '${param}': integer below minimum value. Expected a value >= ${min}, but got ${value} instead.`;
  throw invalidRequest(message, { param, code: "integer_below_min_value" });
}

const toolNamePattern = /^[a-zA-Z0-9_-]{1,64}$/;

/** Reads one function tool; `param` is where it stands in the body. @throws {ProviderError} 400 */
export function parseFunctionTool(tool: JsonObject, param: string): SimulatedTool {
  const { name, description, parameters, strict } = tool;
  if (typeof name !== "string") throw missingParameter(`${param}.name`);
  if (!toolNamePattern.test(name)) {
    const message = `Invalid '${param}.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.`;
    throw invalidRequest(message, { param: `${param}.name`, code: "invalid_value" });
  }
  const inputSchema = isJsonObject(parameters) ? parameters : { type: "object", properties: {} };
  const place = { subject: `function '${name}'`, param: `${param}.parameters`, code: "invalid_function_parameters" };
  if (inputSchema["type"] !== "object") {
    const message = `Invalid schema for ${place.subject}: schema must be a JSON Schema of 'type: "object"', got 'type: ${JSON.stringify(inputSchema["type"] ?? "None")}'.`;
    throw invalidRequest(message, place);
  }
  if (strict === true) assertStrictSchema(inputSchema, place);
  return { name, description: typeof description === "string" ? description : null, inputSchema };
}

/** Reads `tool_choice`; `nameOf` finds the tool's name in the object form. @throws {ProviderError} 400 */
export function parseToolChoice(
  value: Json | undefined,
  tools: readonly SimulatedTool[],
  nameOf: (choice: JsonObject) => Json | undefined,
): SimulatedToolChoice {
  if (value === undefined || value === null) return { type: "auto" };
  if (value === "none") return { type: "none" };
  if (value === "auto" || value === "required") {
    if (tools.length > 0 || value === "auto") return { type: value };
    throw invalidRequest("'tool_choice' is only allowed when 'tools' are specified.", { param: "tool_choice" });
  }
  const name = isJsonObject(value) ? nameOf(value) : undefined;
  if (typeof name !== "string") throw invalidValue("tool_choice", isJsonObject(value) ? value["type"] : value, ["none", "auto", "required"]);
  if (!tools.some((tool) => tool.name === name)) {
    throw invalidRequest(`Tool choice '${name}' not found in 'tools' parameter.`, { param: "tool_choice" });
  }
  return { type: "tool", name };
}

/** Checks the `{ name, schema, strict }` of structured output. @throws {ProviderError} 400 */
export function parseJsonSchemaFormat(format: JsonObject, param: string): JsonObject | null {
  const { name, schema, strict } = format;
  if (typeof name !== "string") throw missingParameter(`${param}.name`);
  if (!isJsonObject(schema)) return null;
  if (strict === true) assertStrictSchema(schema, { subject: `response_format '${name}'`, param, code: "invalid_json_schema" });
  return schema;
}
