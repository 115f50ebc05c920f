import { randomBytes } from "node:crypto";

/** Chance as an argument. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** An independent stream named `name`: two subsystems never disturb each other's draws. */
  split(name: string): Random;
}

/** A reproducible stream: the same seed gives the same numbers. Not for secrets. */
export function seededRandom(seed: number | string): Random {
  const text = String(seed);
  let state = hashText(text);
  const next = (): number => {
    // Mulberry32: 32 bits of state, good enough for jitter and fault plans.
    state = (state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return { next, split: (name) => seededRandom(`${text}/${name}`) };
}

/** The machine's source of chance, unpredictable. */
export const systemRandom: Random = {
  next: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  split: () => systemRandom,
};

/** A whole number in [min, max]. */
export function integerBetween(random: Random, min: number, max: number): number {
  return min + Math.floor(random.next() * (max - min + 1));
}

function hashText(text: string): number {
  let hash = 2_166_136_261;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 16_777_619);
  return hash >>> 0;
}
