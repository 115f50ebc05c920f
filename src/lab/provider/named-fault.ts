import type { Fault } from "./fault.ts";

const page = "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body></html>\n";
const minuteMs = 60_000;

/** Faults by the names that `--fault` takes and, behind `sim-`, the names of models. */
const namedFaults = {
  // the answer does not come, or not whole
  hang: { kind: "hang" },
  cut: { kind: "cut", afterEvents: 3 },
  closed: { kind: "cut", afterEvents: 0 },
  unfinished: { kind: "unfinished", missingEvents: 1 },
  latency: { kind: "latency", ms: 5_000 },
  slow: { kind: "slowChunks", ms: 1_000 },
  "keep-alive": { kind: "keepAlive", ms: minuteMs },
  metadata: { kind: "keepAlive", ms: minuteMs, with: "metadata" },
  "empty-deltas": { kind: "keepAlive", ms: minuteMs, with: "empty-deltas" },
  refused: { kind: "network", failure: "ECONNREFUSED" },
  reset: { kind: "network", failure: "ECONNRESET" },
  dns: { kind: "network", failure: "ENOTFOUND" },
  tls: { kind: "network", failure: "CERT_HAS_EXPIRED" },
  // the provider says no
  quota: { kind: "status", status: 429, reason: "spend-limit" },
  credit: { kind: "status", status: 400, reason: "credit" },
  overflow: { kind: "status", status: 400, reason: "context-overflow" },
  policy: { kind: "status", status: 400, reason: "content-policy" },
  "429": { kind: "status", status: 429, reason: "rate-limit", retryAfter: "2" },
  "429-date": { kind: "status", status: 429, wait: { ms: 90_000, as: "date" } },
  "429-ms": { kind: "status", status: 429, wait: { ms: 1_500, as: "milliseconds" } },
  "429-reset": { kind: "status", status: 429, wait: { ms: 6 * minuteMs, as: "reset" } },
  "429-words": { kind: "status", status: 429, wait: { ms: 20_000, as: "words" } },
  // what comes is no answer
  empty: { kind: "empty" },
  page: { kind: "body", text: page },
  "gateway-page": { kind: "status", status: 502, body: page },
  "half-json": { kind: "body", text: '{"id":"sim_1","type":"mess' },
  nothing: { kind: "body", text: "" },
  "bad-event": { kind: "badEvent", afterEvents: 3 },
  "stream-error": { kind: "streamError", error: "server-error", afterEvents: 3 },
  "stream-overloaded": { kind: "streamError", error: "overloaded", afterEvents: 3 },
  // the answer is whole, and not what it should be
  refusal: { kind: "altered", how: "refusal" },
  "error-text": { kind: "altered", how: "error-text" },
  "other-model": { kind: "altered", how: "other-model" },
  "no-usage": { kind: "altered", how: "no-usage" },
  "zero-usage": { kind: "altered", how: "zero-usage" },
  "unknown-tool": { kind: "altered", how: "unknown-tool" },
  "half-arguments": { kind: "altered", how: "half-arguments" },
  "repeated-ids": { kind: "altered", how: "repeated-ids" },
} as const satisfies Readonly<Record<string, Fault>>;

/** What `faultNamed` knows, besides any status from 400 to 599. */
export const faultNames: readonly string[] = Object.keys(namedFaults).filter((name) => Number.isNaN(Number(name)));

/** Model names that ask for a fault; there is also `sim-<status>`. */
export const faultModelNames: readonly string[] = Object.keys(namedFaults).map((name) => `sim-${name}`);

/** The fault of a name (`cut`, `quota`) or of a status (`529`); undefined when there is none. */
export function faultNamed(name: string): Fault | undefined {
  if (Object.hasOwn(namedFaults, name)) return namedFaults[name as keyof typeof namedFaults];
  return /^[45]\d\d$/.test(name) ? { kind: "status", status: Number(name) } : undefined;
}
