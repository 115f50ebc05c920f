import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
const timeLength = 9;
const chanceLength = 13;

/** Makes ids that sort by creation time: a prefix, 45 bits of time and 65 bits of chance in Crockford base 32. */
export function createIds(clock: Clock, random: Random): (prefix: string) => string {
  return (prefix) => {
    let time = clock.now();
    let head = "";
    for (let index = 0; index < timeLength; index++) {
      head = (alphabet[time % 32] ?? "0") + head;
      time = Math.floor(time / 32);
    }
    let tail = "";
    for (let index = 0; index < chanceLength; index++) tail += alphabet[Math.floor(random.next() * 32)] ?? "0";
    return `${prefix}_${head}${tail}`;
  };
}
