/** A straight line through points, and how far its slope may be off. */
export interface Slope {
  /** Change of y for each 1 of x. */
  readonly perX: number;
  /** The true slope lies between `perX - margin` and `perX + margin` with a confidence of 95 %, if the points lie about a line by chance. */
  readonly margin: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Student's t for a confidence of 95 %, two-sided, by degrees of freedom from 1. */
const t95 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042];
/** For more degrees of freedom than listed: the value at 31, which is a little too large for all of them. */
const t95Many = 2.04;

/** Least squares. Needs three points with different x at the least. */
export function fitSlope(points: readonly Point[]): Slope {
  const n = points.length;
  if (n < 3) throw new Error(`a slope with its margin needs 3 points, not ${n}`);
  const meanX = sum(points.map(({ x }) => x)) / n;
  const meanY = sum(points.map(({ y }) => y)) / n;
  const spread = sum(points.map(({ x }) => (x - meanX) ** 2));
  if (spread === 0) throw new Error("all points have the same x");
  const perX = sum(points.map(({ x, y }) => (x - meanX) * (y - meanY))) / spread;
  const residual = sum(points.map(({ x, y }) => (y - meanY - perX * (x - meanX)) ** 2));
  const t = t95[n - 3] ?? t95Many;
  return { perX, margin: t * Math.sqrt(residual / (n - 2) / spread) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
