import { describeValue } from "./describe-value.ts";
import { LonghaulError } from "./error.ts";

export { formatDuration } from "./amount-text.ts";

/** Milliseconds, or a text such as "250ms", "30s", "5m", "2h", "7d". */
export type Duration = number | `${number}${"ms" | "s" | "m" | "h" | "d"}`;

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const pattern = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

/**
 * Whole milliseconds of a duration, from 1 to 10 years.
 * @throws {OPTION_INVALID} naming `option`.
 */
export function parseDuration(value: unknown, option: string): number {
  const ms = Math.round((typeof value === "number" ? value : durationTextMs(value)) ?? Number.NaN);
  if (!Number.isFinite(ms) || ms <= 0 || ms > 3_650 * unitMs.d) {
    throw new LonghaulError("OPTION_INVALID", `${option} is ${describeValue(value)}, which is not a duration. Use milliseconds above 0 or a text such as "30s", "5m", "2h", "7d".`);
  }
  return ms;
}

function durationTextMs(value: unknown): number | undefined {
  const match = typeof value === "string" ? pattern.exec(value.trim()) : null;
  return match ? Number(match[1]) * unitMs[match[2] as keyof typeof unitMs] : undefined;
}
