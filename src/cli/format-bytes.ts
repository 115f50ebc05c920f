const units = ["B", "kB", "MB", "GB", "TB"];

/** "521 MB": in powers of a thousand, at most three digits before the unit, one behind the point below ten. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
