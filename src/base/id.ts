import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
const timeLength = 9;
const chanceLength = 13;

/** Makes ids that sort by creation time: a prefix, 45 bits of time and 65 bits of chance in Crockford base 32. */
export function createIds(clock: Clock, random: Random): (prefix: string) => string {
  let atMs = Number.NaN;
  let head = "";
  return (prefix) => {
    const nowMs = clock.now();
    // Ids come in bursts: those of one instant begin alike.
    if (nowMs !== atMs) {
      atMs = nowMs;
      head = timeText(nowMs);
    }
    let tail = "";
    for (let index = 0; index < chanceLength; index++) tail += alphabet[Math.floor(random.next() * 32)] ?? "0";
    return `${prefix}_${head}${tail}`;
  };
}

function timeText(atMs: number): string {
  let time = atMs;
  let text = "";
  for (let index = 0; index < timeLength; index++) {
    text = (alphabet[time % 32] ?? "0") + text;
    time = Math.floor(time / 32);
  }
  return text;
}
