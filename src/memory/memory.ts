import type { Message } from "../record/message.ts";

/** The port of what an agent remembers between and within runs, bounded. */
export interface Memory {
  /** What a run begins with, before its own input; read once per run. */
  open(agent: string, scope: string): Promise<MemorySession>;
}

export interface MemorySession {
  /** The messages of the next prompt: a bounded selection of what was said in this run. */
  window(transcript: readonly Message[]): readonly Message[];
}
