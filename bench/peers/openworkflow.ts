import { join } from "node:path";
import { OpenWorkflow } from "openworkflow";
import { BackendSqlite } from "openworkflow/sqlite";
import type { OpenSide } from "./side.ts";

/** On Node's own SQLite, in WAL with its default, FULL. */
export const open: OpenSide = async (folder, hooks, concurrency) => {
  const backend = BackendSqlite.connect(join(folder, "data.db"));
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
  return {
    durability: "fsync (SQLite FULL)",
    start: (run, steps) => workflow.run({ run, steps }),
    startWaiting: (run) => waiting.run({ run }),
    async close() {
      await worker.stop();
      await backend.stop();
    },
  };
};
