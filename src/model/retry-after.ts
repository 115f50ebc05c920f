const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
/** Longer waits are taken for nonsense. */
const afterMsMax = 32 * unitMs.d;

type Headers = Readonly<Record<string, string>>;

/**
 * How long a provider asks to be left alone, by `retry-after-ms` or `retry-after` (header names in lower case); null when it does not say.
 * Understands seconds, an HTTP date, RFC 3339, an epoch and "6m0s".
 */
export function parseRetryAfterMs(headers: Headers, nowMs: number): number | null {
  const milliseconds = headers["retry-after-ms"];
  if (milliseconds !== undefined && milliseconds.trim() !== "" && Number.isFinite(Number(milliseconds))) return bounded(Number(milliseconds));
  const retryAfter = headers["retry-after"];
  return retryAfter === undefined ? null : parseWaitMs(retryAfter, nowMs);
}

/**
 * When a rate limit is open again, by the reset headers and, failing these, by the provider's words. Only for a call that was throttled: every
 * answer carries these headers.
 */
export function parseLimitResetMs(headers: Headers, text: string, nowMs: number): number | null {
  return resetMs(headers, nowMs) ?? wordsMs(text, nowMs);
}

/** A wait in any of the notations that providers use; null when it is none of them. */
export function parseWaitMs(text: string, nowMs: number): number | null {
  const value = text.trim();
  if (value === "") return null;
  const number = Number(value);
  if (Number.isFinite(number)) return bounded(numberMs(number, nowMs));
  const spanMs = parseSpanMs(value);
  if (spanMs !== null) return bounded(spanMs);
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? null : bounded(atMs - nowMs);
}

/** Small numbers are seconds from now, larger ones an instant in seconds or milliseconds since the epoch. */
function numberMs(number: number, nowMs: number): number {
  if (number >= 1e11) return number - nowMs;
  return number >= 1e9 ? number * 1000 - nowMs : number * 1000;
}

/** "6m0s", "1h30m", "20ms", "7.66s". */
function parseSpanMs(value: string): number | null {
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(value)) return null;
  let totalMs = 0;
  for (const [, amount, unit] of value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) totalMs += Number(amount) * unitMs[unit as keyof typeof unitMs];
  return totalMs;
}

/**
 * The wait of the limits that are exhausted: the longest of those with nothing remaining (or whose rest is not stated). When every limit has
 * something left, the request was larger than the rest of one of them, and the soonest reset is the best guess.
 */
function resetMs(headers: Headers, nowMs: number): number | null {
  const exhausted: number[] = [];
  const others: number[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (!/ratelimit/.test(name) || !/reset/.test(name)) continue;
    const waitMs = parseWaitMs(value, nowMs);
    if (waitMs === null) continue;
    const remaining = Number(headers[name.replace("reset", "remaining")] ?? "0");
    (remaining > 0 ? others : exhausted).push(waitMs);
  }
  if (exhausted.length > 0) return Math.max(...exhausted);
  return others.length > 0 ? Math.min(...others) : null;
}

/** "Please try again in 6m0s." of OpenAI and Groq, `"retryDelay": "34s"` of Google. */
function wordsMs(text: string, nowMs: number): number | null {
  const match = /try again in (\d[\d.]*(?:ms|s|m|h|d)(?:\d[\d.]*(?:ms|s|m|h|d))*)/i.exec(text) ?? /"retryDelay"\s*:\s*"([\d.]+s)"/i.exec(text);
  return match?.[1] === undefined ? null : parseWaitMs(match[1], nowMs);
}

function bounded(ms: number): number | null {
  if (ms > afterMsMax) return null;
  return Math.max(0, Math.ceil(ms));
}
