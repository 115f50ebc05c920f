import { join } from "node:path";
import { Annotation, END, interrupt, isInterrupted, START, StateGraph } from "@langchain/langgraph";
import { SqliteSaver } from "@langchain/langgraph-checkpoint-sqlite";
import type { OpenSide } from "./side.ts";

/** Checkpoints in SQLite, written before the next step begins (`sync`), with fsync (FULL; its default is NORMAL). */
export const open: OpenSide = async (folder, hooks) => {
  const saver = SqliteSaver.fromConnString(join(folder, "data.db"));
  saver.db.pragma("journal_mode = WAL");
  saver.db.pragma("synchronous = FULL");
  const state = Annotation.Root({ run: Annotation<number>, step: Annotation<number>, steps: Annotation<number> });
  const graph = new StateGraph(state)
    .addNode("work", ({ run, step, steps }) => {
      hooks.step();
      if (step + 1 === steps) hooks.end(run);
      return { step: step + 1 };
    })
    .addEdge(START, "work")
    .addConditionalEdges("work", ({ step, steps }) => (step < steps ? "work" : END))
    .compile({ checkpointer: saver });
  const waiting = new StateGraph(state)
    .addNode("wait", ({ run }) => {
      hooks.end(run);
      return { step: Number(interrupt("wait")) };
    })
    .addEdge(START, "wait")
    .compile({ checkpointer: saver });
  let [ended, waits] = [0, 0];
  return {
    durability: "fsync (SQLite FULL, sync)",
    serverMs: 0,
    start(run, steps) {
      void graph.invoke({ run, step: 0, steps }, { configurable: { thread_id: `run ${run}` }, recursionLimit: steps + 5, durability: "sync" }).then(({ step }) => {
        if (step !== steps) throw new Error(`The run ended at step ${step} of ${steps}.`);
        ended++;
      });
      return Promise.resolve();
    },
    startWaiting(run) {
      void waiting.invoke({ run, step: 0, steps: 1 }, { configurable: { thread_id: `waiting ${run}` }, durability: "sync" }).then((state) => {
        if (!isInterrupted(state)) throw new Error("The run does not wait.");
        waits++;
      });
      return Promise.resolve();
    },
    ended: () => Promise.resolve(ended),
    waiting: () => Promise.resolve(waits),
    close: () => Promise.resolve(void saver.db.close()),
  };
};
