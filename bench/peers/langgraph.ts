import { join } from "node:path";
import { Annotation, END, interrupt, START, StateGraph } from "@langchain/langgraph";
import { SqliteSaver } from "@langchain/langgraph-checkpoint-sqlite";
import type { OpenSide } from "./side.ts";

/** Checkpoints in SQLite, written before the next step begins (`sync`), with fsync (FULL; its default is NORMAL). */
export const open: OpenSide = async (folder, hooks) => {
  const saver = SqliteSaver.fromConnString(join(folder, "data.db"));
  saver.db.pragma("journal_mode = WAL");
  saver.db.pragma("synchronous = FULL");
  const state = Annotation.Root({ step: Annotation<number>, steps: Annotation<number> });
  const graph = new StateGraph(state)
    .addNode("work", ({ step }) => {
      hooks.step();
      return { step: step + 1 };
    })
    .addEdge(START, "work")
    .addConditionalEdges("work", ({ step, steps }) => (step < steps ? "work" : END))
    .compile({ checkpointer: saver });
  const waiting = new StateGraph(state)
    .addNode("wait", () => ({ step: Number(interrupt("wait")) }))
    .addEdge(START, "wait")
    .compile({ checkpointer: saver });
  return {
    durability: "fsync (SQLite FULL, sync)",
    async start(run, steps) {
      await graph.invoke({ step: 0, steps }, { configurable: { thread_id: `run ${run}` }, recursionLimit: steps + 5, durability: "sync" });
      hooks.end(run);
    },
    async startWaiting(run) {
      await waiting.invoke({ step: 0, steps: 1 }, { configurable: { thread_id: `waiting ${run}` }, durability: "sync" });
      hooks.end(run);
    },
    close: () => Promise.resolve(void saver.db.close()),
  };
};
