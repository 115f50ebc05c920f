import { closeSync, fsyncSync, openSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { messageOf } from "../base/error.ts";
import type { CopyAnswer, CopyOrder } from "./copy-database.ts";
import { findDamage } from "./damage.ts";

/** How long it waits for another connection's lock, in milliseconds. */
const busyTimeoutMs = 30_000;

function copy({ from, to, changes, check }: CopyOrder): CopyAnswer {
  const source = new DatabaseSync(from, { readOnly: true, timeout: busyTimeoutMs });
  try {
    const size = (name: string): number => Number(source.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);
    say({ type: "total", bytes: (size("page_count") - size("freelist_count")) * size("page_size") });
    // One transaction that only reads: every commit before it is in the copy, none after it, and who writes meanwhile is not held up.
    source.prepare("VACUUM INTO ?").run(to);
  } finally {
    source.close();
  }
  const made = new DatabaseSync(to);
  try {
    for (const change of changes) made.exec(change);
    const damage = findDamage(made, check);
    if (damage !== null) return { type: "failed", message: damage, errcode: "damaged" };
  } finally {
    made.close();
  }
  const file = openSync(to, "r");
  fsyncSync(file);
  closeSync(file);
  return { type: "done", bytes: statSync(to).size };
}

function say(answer: CopyAnswer): void {
  // Nobody is told when the process that asked has ended: the copy has no name then that counts.
  if (process.connected) process.send?.(answer);
}

function tryToCopy(order: CopyOrder): CopyAnswer {
  try {
    return copy(order);
  } catch (error) {
    return { type: "failed", message: messageOf(error), errcode: error instanceof Error && "errcode" in error && typeof error.errcode === "number" ? error.errcode : null };
  }
}

process.once("message", (order: CopyOrder) => {
  say(tryToCopy(order));
  if (process.connected) process.disconnect();
});
