import { join } from "node:path";
import { Mastra } from "@mastra/core";
import { createStep, createWorkflow } from "@mastra/core/workflows";
import { LibSQLStore } from "@mastra/libsql";
import { z } from "zod";
import type { OpenSide } from "./side.ts";

/** On libsql as it comes: WAL with NORMAL, so that a power failure may take the last steps. */
export const open: OpenSide = async (folder, hooks) => {
  const data = z.object({ run: z.number() });
  const define = (steps: number) => {
    let workflow = createWorkflow({ id: `bench-${steps}`, inputSchema: data, outputSchema: data });
    for (let index = 1; index <= steps; index++) {
      workflow = workflow.then(createStep({
        id: `step-${index}`, inputSchema: data, outputSchema: data,
        execute: async ({ inputData }) => {
          hooks.step();
          if (index === steps) hooks.end(inputData.run);
          return inputData;
        },
      }));
    }
    return workflow.commit();
  };
  const waiting = createWorkflow({ id: "waiting", inputSchema: data, outputSchema: data })
    .then(createStep({ id: "wait", inputSchema: data, outputSchema: data, execute: async ({ inputData, suspend }) => (hooks.end(inputData.run), await suspend({})) }))
    .commit();
  const workflows = { one: define(1), ten: define(10), long: define(200), waiting };
  const mastra = new Mastra({ storage: new LibSQLStore({ id: "bench", url: `file:${join(folder, "data.db")}` }), workflows, logger: false });
  let [ended, waits] = [0, 0];
  return {
    durability: "no fsync a step (libsql NORMAL)",
    serverMs: 0,
    async start(run, steps) {
      const ours = await mastra.getWorkflow(steps === 1 ? "one" : steps === 10 ? "ten" : "long").createRun();
      void ours.start({ inputData: { run } }).then(({ status }) => {
        if (status !== "success") throw new Error(`The run ended ${status}.`);
        ended++;
      });
    },
    async startWaiting(run) {
      const ours = await mastra.getWorkflow("waiting").createRun();
      void ours.start({ inputData: { run } }).then(({ status }) => {
        if (status !== "suspended") throw new Error(`The run is ${status}.`);
        waits++;
      });
    },
    ended: () => Promise.resolve(ended),
    waiting: () => Promise.resolve(waits),
    close: () => Promise.resolve(),
  };
};
