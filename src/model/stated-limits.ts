import type { LimitName, StatedLimit } from "../record/stated-limit.ts";
import { parseWaitMs } from "./retry-after.ts";

const names: readonly LimitName[] = ["requests", "tokens", "input-tokens", "output-tokens"];
/** What is above these is taken for nonsense. */
const maxMax = 1e12;
const resetMsMax = 86_400_000;

type Headers = Readonly<Record<string, string | undefined>>;

/** The limits that an answer states, success or not, by the headers of OpenAI's and Anthropic's APIs (header names in lower case). What makes no sense is left out. */
export function parseStatedLimits(headers: Headers, nowMs: number): readonly StatedLimit[] {
  return names.flatMap((name): readonly StatedLimit[] => {
    const of = (what: "limit" | "remaining" | "reset"): string | undefined => headers[`x-ratelimit-${what}-${name}`] ?? headers[`anthropic-ratelimit-${name}-${what}`];
    const max = parseCount(of("limit"), 1);
    const remaining = parseCount(of("remaining"), 0);
    const resetMs = parseResetMs(of("reset"), nowMs);
    if (max === null && (remaining === null || resetMs === null)) return [];
    // More than all of it is left of none.
    return [max !== null && remaining !== null && remaining > max ? { name, max, remaining: null, resetMs: null } : { name, max, remaining, resetMs }];
  });
}

function parseCount(text: string | undefined, min: number): number | null {
  if (text === undefined || !/^\d+$/.test(text.trim())) return null;
  const count = Number(text);
  return count >= min && count <= maxMax ? count : null;
}

function parseResetMs(text: string | undefined, nowMs: number): number | null {
  if (text === undefined || /^\s*-/.test(text)) return null;
  const waitMs = parseWaitMs(text, nowMs);
  if (waitMs === null || waitMs > resetMsMax) return null;
  // An instant that is written in whole seconds may be almost one second later.
  return /T\d\d:\d\d:\d\d(?:Z|[+-]\d\d:?\d\d)$/.test(text.trim()) ? waitMs + 999 : waitMs;
}

/** Tells what headers state of limits, if anything; their names may be in any case. */
export function tellLimits(headers: Headers, nowMs: number, onLimits: ((limits: readonly StatedLimit[]) => void) | undefined): void {
  if (onLimits === undefined) return;
  const limits = parseStatedLimits(Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])), nowMs);
  if (limits.length > 0) onLimits(limits);
}
