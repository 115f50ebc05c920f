/** A line of a diff: kept, taken away or added. */
export interface LineChange {
  readonly sign: " " | "-" | "+";
  readonly line: string;
}

/** The shortest line-by-line way from one text to the other, taken-away lines before added ones. */
export function diffLines(before: string, after: string): readonly LineChange[] {
  const [a, b] = [before.trimEnd().split("\n"), after.trimEnd().split("\n")];
  // common[i][j]: length of the longest common subsequence of a from i and b from j.
  const common = Array.from({ length: a.length + 1 }, () => Array.from({ length: b.length + 1 }, () => 0));
  const at = (i: number, j: number): number => common[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const row = common[i];
      if (row) row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const changes: LineChange[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i], b[j]];
    if (left !== undefined && left === right) {
      changes.push({ sign: " ", line: left });
      i++;
      j++;
    } else if (left !== undefined && at(i + 1, j) >= at(i, j + 1)) {
      changes.push({ sign: "-", line: left });
      i++;
    } else {
      changes.push({ sign: "+", line: right ?? "" });
      j++;
    }
  }
  return changes;
}
