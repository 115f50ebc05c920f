import type { EngineAgent } from "./engine.ts";
import { journalFormat } from "./journaled-step.ts";

/** All that decides whether code can go on with a journal: the agent, the run loop, the journal's format. A run that one could not go on with is tried with another. */
export function codeVersionOf({ version, loopVersion = 0 }: EngineAgent): string {
  return `${version}/${loopVersion}/${journalFormat}`;
}
