import type { Write } from "../../record/write.ts";

/** What locks a row by its name. Facts are written by one statement for all, in an order of their own. */
export type RowWrite = Exclude<Write, { readonly type: "record" | "message" }>;

/** The tables one after the other. Those by whose guards the whole may be refused come first; what many write comes late, so that it is locked for a short time. */
const ranks: Readonly<Record<RowWrite["type"], number>> = {
  lease: 0, "key.claim": 1, "money.settle": 2, "task.left": 3, "task.forgotten": 4, "effect.complete": 5, outbox: 6, meta: 7, "trigger.state": 8, progress: 9,
};

/**
 * The one order in which every transaction locks rows of the store: by table, then by what names the row. Two that write the same rows wait for each other and do not die of each other,
 * in whatever order they came to their writes. Of one row, the order stays.
 */
export function inLockOrder(writes: readonly RowWrite[]): readonly RowWrite[] {
  return writes.toSorted((a, b) => ranks[a.type] - ranks[b.type] || compare(nameOf(a), nameOf(b)));
}

function nameOf(write: RowWrite): string {
  switch (write.type) {
    case "lease":
    case "meta":
      return write.name;
    case "key.claim":
    case "effect.complete":
      return write.key;
    // Those are locked together (money.ts). These are told in the order in which they came, and nobody else writes the same.
    case "money.settle":
    case "outbox":
      return "";
    case "task.left":
    case "task.forgotten":
      return write.taskId;
    case "trigger.state":
      return write.triggerId;
    case "progress":
      return write.agent;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
