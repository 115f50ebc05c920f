import type { Fault } from "../../../src/lab/provider/index.ts";
import type { FailureCase } from "../case.ts";
import { always, during, first, hourMs, minuteMs, secondMs, soon, verified } from "./faults.ts";

type Wire = NonNullable<FailureCase["wire"]>;
type ErrorFault = Omit<Extract<Fault, { kind: "status" }>, "kind" | "status">;

const status = (code: number, more: ErrorFault = {}): Fault => ({ kind: "status", status: code, ...more });
const page = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>";

/** What three calls cost, on the dearest wire, in millionths of a dollar. */
const undisturbed = 930;

/** A limit that says when to come back, which is honoured to the millisecond. */
function stated(fault: string, ms: number, more: ErrorFault, wire: Wire = "anthropic"): FailureCase {
  const did = ms > 20 * secondMs ? "waiting(rate-limit)" : "retry";
  return { layer: "model", fault, wire, faults: first(status(429, more)), expect: { ...verified, backMs: ms, callsMax: 4, spentMicroUsdMax: undisturbed, did: [did] } };
}

/** A failure that is gone at the next attempt. Of what may have been answered, nobody knows the bill. */
function once(fault: string, struck: Fault, wire: Wire = "anthropic", mayBeBilled = false): FailureCase {
  return { layer: "model", fault, wire, faults: first(struck), expect: { ...verified, backMs: soon, callsMax: 4, did: ["retry"], ...(mayBeBilled ? {} : { spentMicroUsdMax: undisturbed }) } };
}

/** A no that waiting does not turn into a yes: it is said once, and no money is spent on asking again. */
function final(fault: string, struck: Fault, reason: "billing" | "auth" | "context-overflow" | "failed" | "refused", code: string, wire: Wire = "anthropic"): FailureCase {
  return { layer: "model", fault, wire, faults: always(struck), expect: { end: `dead(${reason})`, deliveries: 0, backMs: 0, callsMax: 1, spentMicroUsdMax: 0, did: [code] } };
}

const limits: readonly FailureCase[] = [
  stated("429, retry-after in seconds", 7 * secondMs, { wait: { ms: 7 * secondMs, as: "seconds" } }),
  stated("429, retry-after as an HTTP date", 9 * secondMs, { wait: { ms: 9 * secondMs, as: "date" } }),
  stated("429, retry-after as an instant", 12 * secondMs, { wait: { ms: 12 * secondMs, as: "epoch" } }),
  stated("429, retry-after-ms", 1_500, { wait: { ms: 1_500, as: "milliseconds" } }),
  stated("429, Anthropic's reset instants", 40 * secondMs, { wait: { ms: 40 * secondMs, as: "reset" } }),
  stated("429, OpenAI's reset 6m0s (Responses)", 6 * minuteMs, { wait: { ms: 6 * minuteMs, as: "reset" } }, "openai"),
  stated("429, OpenAI's reset 1.5s (Chat)", 1_500, { wait: { ms: 1_500, as: "reset" } }, "openai-compatible"),
  stated("429, only the words \"try again in 20s\" (Chat)", 20 * secondMs, { wait: { ms: 20 * secondMs, as: "words" } }, "openai-compatible"),
  stated("429, retry-after of an hour", hourMs, { wait: { ms: hourMs, as: "seconds" } }),
  stated("429, a negative retry-after", 0, { retryAfter: "-5" }),
  stated("429, retry-after in the past", 0, { retryAfter: "Wed, 31 Dec 2025 23:00:00 GMT" }),
  { layer: "model", fault: "429, an absurd retry-after", faults: first(status(429, { retryAfter: "99999999" })), expect: { ...verified, backMs: [0, minuteMs], callsMax: 4 } },
  { layer: "model", fault: "429, retry-after that is none", faults: first(status(429, { retryAfter: "soon" })), expect: { ...verified, backMs: [0, minuteMs], callsMax: 4 } },
];

const failures: readonly FailureCase[] = [
  once("500", status(500)),
  once("500, its body half of a JSON", status(500, { body: '{"type":"error","error":{"ty' })),
  once("502, a gateway's page", status(502, { body: page })),
  once("503 overloaded (Responses)", status(503), "openai"),
  once("503, retry-after of two seconds (Chat)", status(503, { wait: { ms: 2 * secondMs, as: "seconds" } }), "openai-compatible"),
  once("529 overloaded", status(529)),
  once("408", status(408)),
  once("connection refused", { kind: "network", failure: "ECONNREFUSED" }),
  once("connection reset", { kind: "network", failure: "ECONNRESET" }, "openai", true),
  once("connect timeout", { kind: "network", failure: "UND_ERR_CONNECT_TIMEOUT" }, "openai-compatible"),
  once("name not found", { kind: "network", failure: "ENOTFOUND" }),
  once("TLS certificate expired", { kind: "network", failure: "CERT_HAS_EXPIRED" }),
  {
    layer: "model", fault: "500 to all attempts of a step", faults: first(status(500), 3),
    expect: { ...verified, backMs: [minuteMs, 2 * minuteMs], callsMax: 6, did: ["retry", "MODEL_TRANSIENT", "waiting(retry)"] },
  },
  {
    layer: "model", fault: "down for an hour", faults: during(hourMs, { kind: "network", failure: "ECONNREFUSED" }),
    expect: { ...verified, backMs: [hourMs, 2.5 * hourMs], callsMax: 30, did: ["retry", "MODEL_TRANSIENT", "waiting(retry)"] },
  },
];

/** In turn, whatever can be got over. */
const many: readonly Fault[] = [
  status(500), { kind: "cut", afterEvents: 4 }, { kind: "network", failure: "ECONNRESET" }, { kind: "badEvent", afterEvents: 3 }, status(429, { wait: { ms: 3 * secondMs, as: "seconds" } }),
  { kind: "hang" }, { kind: "streamError", error: "overloaded", afterEvents: 3 }, { kind: "body", text: page }, status(529), { kind: "unfinished", missingEvents: 2 },
];

/** The delivery is made; the third call is to hand it in. */
const afterDelivery: readonly FailureCase[] = [
  { layer: "model", fault: "529 after the delivery", faults: (call) => (call === 3 ? status(529) : undefined), expect: { ...verified, backMs: soon, callsMax: 4, did: ["retry"] } },
  {
    layer: "model", fault: "500 to all attempts after the delivery", faults: (call) => (call >= 3 && call <= 5 ? status(500) : undefined),
    expect: { ...verified, backMs: [minuteMs, 2 * minuteMs], callsMax: 6, did: ["retry", "MODEL_TRANSIENT", "waiting(retry)"] },
  },
  { layer: "model", fault: "no credit after the delivery", faults: (call) => (call >= 3 ? status(400, { reason: "credit" }) : undefined), expect: { end: "dead(billing)", deliveries: 1, backMs: 0, callsMax: 3, did: ["MODEL_BILLING"] } },
  { layer: "model", fault: "ten different faults in a row", faults: (call) => many[call - 1], expect: { ...verified, backMs: [minuteMs, hourMs], callsMax: 13, did: ["retry", "MODEL_"] } },
  {
    layer: "model", fault: "429 for ever, an hour each time, and a deadline of three", limits: { deadline: "3h" }, faults: always(status(429, { wait: { ms: hourMs, as: "seconds" } })),
    expect: { end: "dead(deadline)", deliveries: 0, backMs: [3 * hourMs, 3 * hourMs + minuteMs], callsMax: 3, did: ["MODEL_THROTTLED", "waiting(rate-limit)"] },
  },
];

const refusals: readonly FailureCase[] = [
  final("429 enforced spend limit", status(429, { reason: "spend-limit" }), "billing", "MODEL_BILLING"),
  final("402 spend limit", status(402, { reason: "spend-limit" }), "billing", "MODEL_BILLING"),
  final("400 usage limits reached", status(400, { reason: "spend-limit" }), "billing", "MODEL_BILLING"),
  final("400 credit balance too low", status(400, { reason: "credit" }), "billing", "MODEL_BILLING"),
  final("429 insufficient_quota (Responses)", status(429, { reason: "spend-limit" }), "billing", "MODEL_BILLING", "openai"),
  final("429 billing_not_active (Responses)", status(429, { reason: "inactive-account" }), "billing", "MODEL_BILLING", "openai"),
  final("400 billing_hard_limit_reached (Chat)", status(400, { reason: "spend-limit" }), "billing", "MODEL_BILLING", "openai-compatible"),
  final("402 insufficient balance (Chat)", status(402, { reason: "credit" }), "billing", "MODEL_BILLING", "openai-compatible"),
  final("403 all credits used (Chat)", status(403, { reason: "credit" }), "billing", "MODEL_BILLING", "openai-compatible"),
  final("401 wrong key", status(401), "auth", "MODEL_AUTH"),
  final("403 no permission (Responses)", status(403), "auth", "MODEL_AUTH", "openai"),
  final("400 organization disabled", status(400, { reason: "inactive-account" }), "auth", "MODEL_AUTH"),
  final("404 no such model", status(404), "failed", "MODEL_INVALID"),
  final("400 context overflow", status(400, { reason: "context-overflow" }), "context-overflow", "MODEL_CONTEXT_OVERFLOW"),
  final("400 context overflow (Responses)", status(400, { reason: "context-overflow" }), "context-overflow", "MODEL_CONTEXT_OVERFLOW", "openai"),
  final("400 context overflow (Chat)", status(400, { reason: "context-overflow" }), "context-overflow", "MODEL_CONTEXT_OVERFLOW", "openai-compatible"),
  final("429 a request larger than the limit (Chat)", status(429, { reason: "context-overflow" }), "context-overflow", "MODEL_CONTEXT_OVERFLOW", "openai-compatible"),
  final("413 request too large", status(413), "context-overflow", "MODEL_CONTEXT_OVERFLOW"),
  final("400 content policy", status(400, { reason: "content-policy" }), "refused", "MODEL_CONTENT_FILTER"),
  final("400 invalid_prompt (Responses)", status(400, { reason: "content-policy" }), "refused", "MODEL_CONTENT_FILTER", "openai"),
];

/** What a provider, or the way to it, answers in place of a reply. */
export const modelCases: readonly FailureCase[] = [
  { layer: "model", fault: "none, for comparison", expect: { ...verified, backMs: 0, callsMax: 3 } },
  ...limits,
  ...failures,
  ...afterDelivery,
  ...refusals,
];
