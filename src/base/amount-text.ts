// Imports nothing: the supervisor, which is to stay small for months, shows amounts too.

const minuteMs = 60_000;
const hourMs = 3_600_000;
const dayMs = 86_400_000;

/** A short text for people: "850 ms", "12.3 s", "4 min", "3 h 20 min", "5 d 2 h". */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < minuteMs) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < hourMs) return withRest(ms, minuteMs, "min", 1000, "s");
  if (ms < dayMs) return withRest(ms, hourMs, "h", minuteMs, "min");
  return withRest(ms, dayMs, "d", hourMs, "h");
}

function withRest(ms: number, bigMs: number, big: string, smallMs: number, small: string): string {
  const whole = Math.floor(ms / bigMs);
  const rest = Math.floor((ms % bigMs) / smallMs);
  return rest === 0 ? `${whole} ${big}` : `${whole} ${big} ${rest} ${small}`;
}

/** A short text for people: "96 MB", "1.5 GB". */
export function formatBytes(bytes: number): string {
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} KB`;
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
