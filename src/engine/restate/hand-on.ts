import type { Context } from "@restatedev/restate-sdk";
import { keyOf } from "../journaled-step.ts";
import { idsOf, toldBefore, type BegunRun } from "./begin.ts";
import { listTold } from "./journal.ts";
import { type JournalEnds, readRecorded } from "./recorded.ts";
import { releaseRun } from "./run-exits.ts";
import type { Writer } from "./writer.ts";

/**
 * Ends an activation of which code cannot make the calls that Restate's journal holds: what they came to is stored, and the next activation tells it to the code that there
 * is by then. Nothing executes. Or one of which Restate's journal holds nothing any more: what is stored is all that there is of it.
 */
export async function handOn(context: Context, begun: BegunRun, writer: Writer, ends: JournalEnds): Promise<void> {
  const recorded = await readRecorded(context, ends);
  const told = toldBefore(begun);
  // What is stored with its place came before all that is not; and what was served instead of executing is nowhere else.
  const before = await writer.read((db) => listTold(db, begun.runSerial, begun.task.activation));
  const keys = new Set(told.keys());
  for (const ended of [...before, ...recorded]) {
    const key = keyOf(ended.step);
    if (!keys.has(key)) told.add(key, ended);
    keys.add(key);
  }
  await releaseRun({ writer, ids: idsOf(begun), told, activeMs: () => begun.task.activeMs });
}
