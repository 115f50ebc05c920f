import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { OpenWorkflow } from "openworkflow";
import { BackendSqlite } from "openworkflow/sqlite";
import type { OpenSide } from "./side.ts";

/** On Node's own SQLite, in WAL with its default, FULL. */
export const open: OpenSide = async (folder, hooks, concurrency) => {
  const path = join(folder, "data.db");
  const backend = BackendSqlite.connect(path);
  const openWorkflow = new OpenWorkflow({ backend });
  const workflow = openWorkflow.defineWorkflow<{ run: number; steps: number }, null>({ name: "bench" }, async ({ input, step }) => {
    for (let index = 1; index <= input.steps; index++) {
      await step.run({ name: `step ${index}` }, () => {
        hooks.step();
        return index;
      });
    }
    hooks.end(input.run);
    return null;
  });
  const waiting = openWorkflow.defineWorkflow<{ run: number }, null>({ name: "waiting" }, async ({ input, step }) => {
    hooks.end(input.run);
    await step.sleep("wait", "1h");
    return null;
  });
  const worker = openWorkflow.newWorker({ concurrency });
  await worker.start();
  const reader = new DatabaseSync(path, { readOnly: true });
  return {
    durability: "fsync (SQLite FULL)",
    serverMs: 0,
    start: (run, steps) => workflow.run({ run, steps }),
    startWaiting: (run) => waiting.run({ run }),
    ended: async () => (await backend.countWorkflowRuns()).completed,
    // Nobody executes it, and it has begun to sleep.
    waiting: () => Promise.resolve(Number(reader.prepare("SELECT count(*) AS n FROM workflow_runs r WHERE r.workflow_name = 'waiting' AND r.worker_id IS NULL AND EXISTS (SELECT 1 FROM step_attempts a WHERE a.workflow_run_id = r.id AND a.kind = 'sleep' AND a.status = 'running')").get()?.["n"])),
    async close() {
      reader.close();
      await worker.stop();
      await backend.stop();
    },
  };
};
