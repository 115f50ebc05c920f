import { afterEach, expect, it } from "vitest";
import { openEngine, openFile } from "../../bench/engine/steps-workload.ts";
import { sleep, systemClock as clock } from "../../src/base/clock.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** Bytes of the file that a run takes which waits for a timer or a signal. */
async function bytesOfWaiting(runs: number, records: boolean): Promise<number> {
  const { db, remove } = openFile();
  closing.push(remove);
  const { engine, ids, close } = openEngine(db, { records });
  closing.push(close);
  const pages = (): number => {
    db.allOnce("PRAGMA wal_checkpoint(TRUNCATE)");
    return Number(db.allOnce("PRAGMA page_count")[0]?.["page_count"]);
  };
  const before = pages();
  await engine.run([{ name: "waits", version: "1", concurrency: 200, queueMax: runs }], async (ctx) => {
    await ctx.wait({ name: "go", kind: "signal", reason: "signal", signal: "go", timeoutMs: 3_600_000 });
    throw new Error("nobody said so");
  });
  const nowMs = clock.now();
  const start = () => engine.start({ id: ids("t"), agent: "waits", input: null, key: null, priority: 0, notBeforeAtMs: nowMs, deadlineAtMs: nowMs + 86_400_000, depth: 0, source: "bench" });
  await Promise.all(Array.from({ length: runs }, start));
  while ((await engine.list({ statuses: ["queued", "running"], limit: 1 })).length > 0 || !engine.isQuiet()) await sleep(clock, 5);
  return ((pages() - before) * 4_096) / runs;
}

it("keeps a run that waits in half a kilobyte, and in two with its records", async () => {
  expect(await bytesOfWaiting(2_000, false)).toBeLessThan(550);
  expect(await bytesOfWaiting(2_000, true)).toBeLessThan(2_000);
});
