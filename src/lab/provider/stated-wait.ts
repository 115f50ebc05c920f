import type { RateLimit, StatedWait } from "./wire-format.ts";

/** What of a failed answer says when to come back. */
export interface WaitWords {
  readonly headers: Readonly<Record<string, string>>;
  /** The limit that the reset headers state; null: none. */
  readonly limit: RateLimit | null;
  /** Appended to the message. */
  readonly words: string;
}

/** `limit` is what the headers would state without this. */
export function stateWait({ ms, as }: StatedWait, limit: RateLimit): WaitWords {
  const atMs = limit.nowMs + ms;
  const byHeader = (name: string, value: string): WaitWords => ({ headers: { [name]: value }, limit, words: "" });
  switch (as) {
    case "seconds":
      return byHeader("retry-after", String(ms / 1000));
    case "date":
      return byHeader("retry-after", new Date(atMs).toUTCString());
    case "epoch":
      return byHeader("retry-after", String(Math.ceil(atMs / 1000)));
    case "milliseconds":
      return byHeader("retry-after-ms", String(ms));
    case "reset":
      return { headers: {}, limit: { ...limit, requestsLeft: 0, resetAtMs: atMs }, words: "" };
    case "words":
      return { headers: {}, limit: null, words: ` Please try again in ${formatSpan(ms)}.` };
  }
}

/** As OpenAI writes it: "20ms", "1.5s", "6m0s", "23h0m0s". */
export function formatSpan(ms: number): string {
  if (ms < 1_000) return `${ms}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = `${(ms % 60_000) / 1_000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
