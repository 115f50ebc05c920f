import type { Classification, ModelErrorCode, ModelFailure } from "./model-failure.ts";
import { parseLimitResetMs, parseRetryAfterMs } from "./retry-after.ts";

interface Rule {
  readonly code: ModelErrorCode;
  readonly when: (failure: ModelFailure, words: string) => boolean;
}

/**
 * The first rule that matches decides. Words come before numbers: providers answer 429 for an empty account and 400 for a full context window.
 */
const rules: readonly Rule[] = [
  // Google says "quota" for limits per minute too, but then states when to come back.
  { code: "MODEL_THROTTLED", when: (failure, words) => failure.status === 429 && /resource_exhausted/.test(words) && /retrydelay/.test(words) },
  { code: "MODEL_BILLING", when: (failure, words) => failure.status === 402 || hasKind(failure, billingKinds) || billingWords.test(words) },
  { code: "MODEL_CONTENT_FILTER", when: (failure, words) => failure.status !== 429 && (hasKind(failure, filterKinds) || filterWords.test(words)) },
  { code: "MODEL_AUTH", when: (failure, words) => failure.status === 401 || failure.status === 403 || hasKind(failure, authKinds) || authWords.test(words) },
  { code: "MODEL_CONTEXT_OVERFLOW", when: isOverflow },
  { code: "MODEL_OVERLOADED", when: (failure, words) => failure.status === 529 || failure.status === 503 || hasKind(failure, overloadedKinds) || overloadedWords.test(words) },
  { code: "MODEL_THROTTLED", when: (failure) => failure.status === 429 || hasKind(failure, throttledKinds) },
  { code: "MODEL_TRANSIENT", when: (failure) => isTransientStatus(failure.status) || (!isRefusalStatus(failure.status) && hasKind(failure, transientKinds)) || failure.networkCode !== null },
  { code: "MODEL_INVALID", when: (failure) => isRefusalStatus(failure.status) || hasKind(failure, invalidKinds) },
  // The answer had begun: whatever broke it, a new call may succeed.
  { code: "MODEL_TRANSIENT", when: (failure) => failure.status === 200 },
];

const billingKinds = /^(insufficient_quota|billing_\w+|payment_required\w*|insufficient_(?:credits|balance|funds)|credit_\w+|\w*spend_limit_reached|user_profile_not_billable|user_profile_billing_not_authorized)$/;
const billingWords = /credit balance is too low|insufficient (?:credits?|balance|funds|quota)|exceeded your current quota|(?:reached|exceeded) (?:your|the) (?:specified |monthly |workspace |organization'?s? )*(?:api )?(?:usage|spend(?:ing)?) limits?|billing hard limit|key limit exceeded|not_enough_credits|(?:used all|doesn't have any) (?:available )?credits/;
const authKinds = /^(authentication_error|permission_error|permission_denied|invalid_api_key|unauthorized|unauthenticated|forbidden|account_deactivated|organization_on_hold)$/;
const authWords = /organization has been disabled|incorrect api key|invalid x-api-key|api[ _]key not (?:valid|found)|invalid api key/;
const overflowKinds = /^(context_length_exceeded|request_too_large|string_above_max_length|model_context_window_exceeded|exceed_context_size_error)$/;
const overflowWords = /prompt is too long|maximum context length|exceeds? (?:the )?(?:model'?s? )?(?:available |maximum )*context|greater than the context length|context window|exceed context limit|input is too long|input token count .{0,40}exceeds|too many input tokens|context size has been exceeded|request too large for .{0,200}must be reduced/s;
const filterKinds = /^(content_filter|content_policy_violation|responsibleaipolicyviolation|moderation_blocked|safety|invalid_prompt)$/;
const filterWords = /content filtering policy|content management policy|violat\w+ (?:our|the|of our) (?:usage|content|safety) polic|flagged by (?:our )?(?:moderation|safety)|requires moderation/;
const overloadedKinds = /^(overloaded_error|overloaded|server_is_overloaded|server_overloaded|engine_overloaded\w*|slow_down|capacity_exceeded|unavailable)$/;
const overloadedWords = /(?:currently|is|are) overloaded|at capacity/;
const throttledKinds = /^(rate_limit_error|rate_limit_exceeded|too_many_requests|resource_exhausted|throttling\w*|ramp_limit_exceeded|tokens|requests)$/;
const transientKinds = /^(api_error|server_error|internal_error|internal_server_error|internal|timeout_error|gateway_timeout|service_unavailable|vector_store_timeout|interrupted|empty)$/;
const invalidKinds = /^(invalid_request_error|invalid_request|invalid_argument|not_found_error|model_not_found|unsupported_\w+|invalid_value|unknown_parameter|missing_required_parameter)$/;

/** The class of a failure and what to do about it. Pure: the same facts give the same answer. */
export function classify(failure: ModelFailure, nowMs: number): Classification {
  const words = `${failure.message}\n${failure.body}`.toLowerCase();
  const code = rules.find((rule) => rule.when(failure, words))?.code ?? "MODEL_UNKNOWN";
  if (isFinal(code)) return { code, retry: "never" };
  const statedMs = parseRetryAfterMs(failure.headers, nowMs);
  const afterMs = statedMs === null && code === "MODEL_THROTTLED" ? parseLimitResetMs(failure.headers, `${failure.message}\n${failure.body}`, nowMs) : statedMs;
  return { code, retry: afterMs === null ? "backoff" : { afterMs } };
}

function hasKind(failure: ModelFailure, pattern: RegExp): boolean {
  return failure.kinds.some((kind) => pattern.test(kind));
}

/** A 429 counts only when it says that this one request is over the limit: waiting would never help. */
function isOverflow(failure: ModelFailure, words: string): boolean {
  if (failure.status === 413 || hasKind(failure, overflowKinds)) return true;
  if (failure.status === 429) return /request too large for .{0,200}must be reduced/s.test(words);
  return overflowWords.test(words);
}

function isTransientStatus(status: number | null): boolean {
  return status === 408 || status === 409 || status === 425 || status === 499 || (status !== null && status >= 500 && status !== 501 && status !== 505);
}

function isRefusalStatus(status: number | null): boolean {
  return status !== null && ((status >= 300 && status < 500) || status === 501 || status === 505);
}

/** Waiting does not mend these. */
function isFinal(code: ModelErrorCode): boolean {
  return code === "MODEL_AUTH" || code === "MODEL_BILLING" || code === "MODEL_INVALID" || code === "MODEL_CONTEXT_OVERFLOW" || code === "MODEL_CONTENT_FILTER";
}
