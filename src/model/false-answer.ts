import type { LanguageModelV4Usage } from "@ai-sdk/provider";
import { LonghaulError } from "../base/error.ts";
import { isJsonObject, type JsonObject } from "../base/json.ts";
import { type AssistantMessage, textOf, toolCallsOf } from "../record/message.ts";
import { toModelError } from "./model-error.ts";
import { redactSecrets } from "./redact.ts";

/** Who is said to have answered. */
export interface FalseAnswerContext {
  /** "anthropic/claude-sonnet-5-5". */
  readonly model: string;
  readonly provider: string;
  readonly nowMs: number;
  readonly secrets?: readonly string[];
}

/** What gateways say in the place of an answer, as all of its text. */
const gatewayWords =
  /^(?:(?:api )?error:?\s*)?(?:(?:http )?[45]\d\d:?\s+)?(?:internal server error|bad gateway|service (?:temporarily )?unavailable|gateway time-?out|too many requests|upstream (?:connect error|request timeout).*|no healthy upstream|stream timeout|error code:? \d{3,4}|overloaded)\W*$|^(?:api )?error:? [45]\d\d\b.*$|^<(?:!doctype )?html[\s>].*$/is;
/** A page or a line; not an essay about them. */
const wordsLengthMax = 2_000;

/**
 * Refuses what came with status 200 as a whole answer and is none: the text is a provider's own error, a model is said to have used no token for it, or a gateway
 * that counts no tokens says that it failed. @throws {MODEL_*} with the class that its words have.
 */
export function assertAnswer(message: AssistantMessage, usage: LanguageModelV4Usage, context: FalseAnswerContext): void {
  const text = textOf(message).trim();
  const isCalling = toolCallsOf(message).length > 0;
  if (text === "" && !isCalling) return;
  const envelope = isCalling ? null : readEnvelope(text);
  if (envelope !== null) throw noAnswer(toModelError(envelope, context));
  const { total } = usage.outputTokens;
  const isUncounted = total === undefined && usage.inputTokens.total === undefined;
  if (total !== 0 && !(isUncounted && !isCalling && text.length <= wordsLengthMax && gatewayWords.test(text))) return;
  const why = total === 0 ? "reports that it used no token for its answer, so no model gave it" : "answered with the error of a gateway";
  const said = redactSecrets(text, context.secrets ?? []).slice(0, 200);
  throw noAnswer(new LonghaulError("MODEL_TRANSIENT", `${context.model} ${why}: ${JSON.stringify(said)}. It is tried again.`, { retry: "backoff", details: { model: context.model, provider: context.provider } }));
}

/** Marks the error: content came, and nothing of it was an answer. */
function noAnswer({ code, message, retry, details, cause }: LonghaulError): LonghaulError {
  return new LonghaulError(code, message, { retry, details: { ...details, isNoAnswer: true }, cause });
}

/** `{ "error": { "type" or "code", "message" } }` as the whole text: what providers answer a call with that they refuse. */
function readEnvelope(text: string): JsonObject | null {
  if (!text.startsWith("{") || !text.endsWith("}")) return null;
  try {
    const parsed: unknown = JSON.parse(text);
    if (!isJsonObject(parsed)) return null;
    const { error } = parsed;
    if (!isJsonObject(error ?? null)) return null;
    const { message, type, code } = error as JsonObject;
    const isAlone = Object.keys(parsed).every((field) => field === "error" || field === "type" || field === "request_id");
    return isAlone && typeof message === "string" && (typeof type === "string" || typeof code === "string" || typeof code === "number") ? parsed : null;
  } catch {
    // Braces around something that is not JSON are an answer like any other.
    return null;
  }
}
