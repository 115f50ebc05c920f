import { openEngine, openFile, recordOf } from "../engine/steps-workload.ts";
import { systemClock as clock } from "../../src/base/clock.ts";
import type { Hooks, OpenSide, Side } from "./side.ts";

/** The embedded engine with its store and records made by hand, fsync before acknowledge: what a team does besides is in longhaul-team.ts. */
async function openWith(records: boolean, hooks: Hooks, concurrency: number): Promise<Side> {
  const file = openFile();
  const { engine, ids, close } = openEngine(file.db, { records });
  const execute: Parameters<typeof engine.run>[1] = async (ctx) => {
    const { run, steps } = ctx.task.input as { readonly run: number; readonly steps: number };
    for (let index = 1; index <= steps; index++) {
      await ctx.step({ kind: "code", name: "step" }, async ({ number, attempt }) => {
        hooks.step();
        return { outcome: { ok: true, value: index }, ...(records ? { writes: [recordOf(ctx, number, attempt, clock.now())] } : {}) };
      });
    }
    hooks.end(run);
    if (steps === 0) await ctx.wait({ name: "wait", reason: "timer", timeoutMs: 3_600_000 });
    return { end: { status: "done", outcome: "unverified", output: null, evidence: null, reason: null } };
  };
  await engine.run([{ name: "bench", version: "1", concurrency, queueMax: 100_000 }], execute);
  // Within a transaction that is under way, nobody knows yet.
  const count = (from: string): number => (file.db.inTransaction ? Number.NaN : Number(file.db.get(`SELECT count(*) AS n FROM ${from}`)?.["n"]));
  const start = (run: number, steps: number): Promise<unknown> => {
    const nowMs = clock.now();
    return engine.start({ id: ids("t"), agent: "bench", input: { run, steps }, key: null, priority: 0, notBeforeAtMs: nowMs, deadlineAtMs: nowMs + 86_400_000, depth: 0, source: "bench" });
  };
  return {
    start,
    startWaiting: (run) => start(run, 0),
    serverMs: 0,
    ended: () => Promise.resolve(count("lh_task WHERE status = 'done'")),
    waiting: () => Promise.resolve(count("lh_wait")),
    durability: records ? "fsync (SQLite FULL), full records" : "fsync (SQLite FULL), journal only",
    async close() {
      await close();
      file.remove();
    },
  };
}

export const open: OpenSide = (_folder, hooks, concurrency) => openWith(false, hooks, concurrency);
export const openWithRecords: OpenSide = (_folder, hooks, concurrency) => openWith(true, hooks, concurrency);
