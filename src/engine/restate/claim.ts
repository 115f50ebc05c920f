import type { EngineAgent } from "../engine.ts";
import type { Change } from "./change.ts";
import { getRun, insertRun, setRunVersion } from "./runs.ts";
import { countRunning, listUnbegun, lockReady } from "./tasks.ts";
import { moveTask } from "./transition.ts";

/** A run that was given a slot, as the nth time. */
export interface Activation {
  readonly runId: string;
  readonly activation: number;
}

/** How long a run may have its slot before it is begun; over it, it is called once more. */
const unbegunMsMax = 1_000;

/**
 * Gives runs of an agent its free slots, one caller at a time: which runs have slots is what the tasks say, so that none is lost with a process.
 * Returns what is to be called: with what this `claim` gave before its answer was lost, and with what was called and did not begin.
 */
export async function claimReady(change: Change, agent: EngineAgent, claim: string, newId: (prefix: string) => string): Promise<readonly Activation[]> {
  await change.db.run("SELECT pg_advisory_xact_lock(hashtext($1))", `longhaul slots of ${agent.name}`);
  const late = (await listUnbegun(change.db, agent.name)).filter((task) => task.claim === claim || change.atMs - task.statusSinceMs > unbegunMsMax);
  const free = agent.concurrency - (await countRunning(change.db, agent.name));
  const claimed: Activation[] = late.map(({ runId, activation }) => ({ runId: String(runId), activation }));
  if (free <= 0) return claimed;
  for (const task of await lockReady(change.db, agent.name, change.atMs, free)) {
    const runId = task.runId ?? newId("r");
    if (task.runId === null) await insertRun(change.db, { id: runId, taskId: task.id, agentVersion: agent.version, loopVersion: agent.loopVersion ?? 0, startedAtMs: change.atMs });
    const earlier = task.runId === null ? agent.version : (await getRun(change.db, runId))?.agentVersion;
    if (earlier !== agent.version) await setRunVersion(change.db, runId, agent.version);
    const activation = task.activation + 1;
    const more = earlier === undefined || earlier === agent.version ? {} : { earlierVersion: earlier };
    await moveTask(change, task, { status: "running", runId, startedAtMs: task.startedAtMs ?? change.atMs, activation, attempt: 0, suspended: false, claim, codeVersion: null }, more);
    claimed.push({ runId, activation });
  }
  return claimed;
}
