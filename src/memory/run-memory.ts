import type { Memory } from "./memory.ts";

/** Remembers within one run only: the prompt is the run's own transcript. */
export const runMemory: Memory = {
  open: () => Promise.resolve({ window: (transcript) => transcript }),
};
