import type { LanguageModelV4Usage } from "@ai-sdk/provider";
import { LonghaulError } from "../base/error.ts";
import { isJsonObject, type JsonObject } from "../base/json.ts";
import { type AssistantMessage, textOf, toolCallsOf } from "../record/message.ts";
import { toModelError } from "./model-error.ts";
import { redactSecrets } from "./redact.ts";
import { isUncountedUsage } from "./usage.ts";

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
 * Refuses what came with status 200 as a whole answer and is none: a model is said to have used no token for it, or nobody counted tokens and the text is a provider's own
 * error or the words of a gateway. What a model used tokens for is its answer, whatever it says. @throws {MODEL_*} with the class that its words have.
 */
export function assertAnswer(message: AssistantMessage, usage: LanguageModelV4Usage, context: FalseAnswerContext): void {
  const text = textOf(message).trim();
  const isCalling = toolCallsOf(message).length > 0;
  const { total: outputTokens = 0 } = usage.outputTokens;
  if ((text === "" && !isCalling) || outputTokens > 0) return;
  const { total: inputTokens = 0 } = usage.inputTokens;
  const envelope = isCalling ? null : readEnvelope(text);
  if (envelope !== null) throw noAnswer(toModelError(envelope, context), inputTokens);
  // A gateway that counts nothing says zero of everything, or nothing at all. A prompt that was read and an answer of no token do not go together.
  const isUncounted = isUncountedUsage(usage) || usage.outputTokens.total === undefined;
  if (isUncounted && (isCalling || text.length > wordsLengthMax || !gatewayWords.test(text))) return;
  const why = isUncounted ? "answered with the error of a gateway" : "reports that it used no token for its answer, so no model gave it";
  const remedy = isUncounted ? "See whether what is in front of it works" : "If such answers are real, have its endpoint count them, or report no usage at all";
  const said = redactSecrets(text, context.secrets ?? []).slice(0, 200);
  throw noAnswer(new LonghaulError("MODEL_TRANSIENT", `${context.model} ${why}: ${JSON.stringify(said)}. It is tried again. ${remedy}.`, { retry: "backoff", details: { model: context.model, provider: context.provider } }), inputTokens);
}

/** Marks the error: content came, and nothing of it was an answer. What was read for it may be billed. */
function noAnswer({ code, message, retry, details, cause }: LonghaulError, inputTokens: number): LonghaulError {
  return new LonghaulError(code, message, { retry, details: { ...details, isNoAnswer: true, ...(inputTokens > 0 ? { inputTokens } : {}) }, cause });
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
