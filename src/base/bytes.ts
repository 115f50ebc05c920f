import { describeValue } from "./describe-value.ts";
import { LonghaulError } from "./error.ts";

const unitBytes = { KB: 1e3, MB: 1e6, GB: 1e9, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;
const pattern = /^(\d+(?:\.\d+)?)\s*(KB|MB|GB|KiB|MiB|GiB)$/;
const bytesMax = 1e15;

/**
 * Whole bytes of a size: "512MB", "1.5GB", "768MiB".
 * @throws {OPTION_INVALID} naming `option`.
 */
export function parseBytes(value: string, option: string): number {
  const match = pattern.exec(value.trim());
  const bytes = match === null ? Number.NaN : Math.round(Number(match[1]) * unitBytes[match[2] as keyof typeof unitBytes]);
  if (bytes > 0 && bytes <= bytesMax) return bytes;
  throw new LonghaulError("OPTION_INVALID", `${option} is ${describeValue(value)}, which is not a size. Use a number above 0 with its unit: "512MB", "1.5GB", "768MiB".`);
}
