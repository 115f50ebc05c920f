import type { Clock } from "../../base/clock.ts";
import { isLonghaulError } from "../../base/error.ts";
import { codeVersionOf } from "../code-version.ts";
import type { EngineAgent } from "../engine.ts";
import type { Change } from "./change.ts";
import { getRun, insertRuns, setRunVersion } from "./runs.ts";
import { countRunning, listReady, listUnbegun, lockParkedByOtherVersion, lockReady } from "./tasks.ts";
import { type Move, moveTasks } from "./transition.ts";
import type { Writer } from "./writer.ts";

/** A run that was given a slot, as the nth time. */
export interface Activation {
  readonly runId: string;
  readonly activation: number;
}

export function isActivation(value: unknown): value is Activation {
  return typeof value === "object" && value !== null && "runId" in value && typeof value.runId === "string" && "activation" in value && Number.isSafeInteger(value.activation);
}

/** How long a run may have its slot before it is begun; over it, it is called once more. */
const unbegunMsMax = 1_000;

/** Tasks that are tried one by one, in one call for slots. */
const triedMax = 1_000;

export interface SlotGiver {
  readonly writer: Writer;
  readonly clock: Clock;
  readonly newId: (prefix: string) => string;
  readonly onFault: (error: unknown) => void;
}

/** See `claimReady`. When that fails of one of them, each is given its slot by itself: one that cannot be given one keeps none behind it from theirs, and people are told. */
export async function giveSlots({ writer, clock, newId, onFault }: SlotGiver, agent: EngineAgent, claim: string): Promise<readonly Activation[]> {
  try {
    return await writer.persist((change) => claimReady(change, agent, claim, newId));
  } catch (error) {
    if (isLonghaulError(error)) throw error;
  }
  let claimed: readonly Activation[] = [];
  const line = await writer.read((db) => listReady(db, agent.name, clock.now(), triedMax));
  for (const serial of line) {
    try {
      claimed = await writer.persist((change) => claimReady(change, agent, claim, newId, [serial]));
      if ((await writer.read((db) => countRunning(db, agent.name))) >= agent.concurrency) break;
    } catch (error) {
      if (isLonghaulError(error)) throw error;
      onFault(error);
    }
  }
  return claimed;
}

/**
 * Gives runs of an agent its free slots, one caller at a time: which runs have slots is what the tasks say, so that none is lost with a process. To those first in line, or to `line`.
 * Returns what is to be called: with what this `claim` gave before its answer was lost, and with what was called and did not begin.
 */
export async function claimReady(change: Change, agent: EngineAgent, claim: string, newId: (prefix: string) => string, line?: readonly number[]): Promise<readonly Activation[]> {
  await change.db.run("SELECT pg_advisory_xact_lock(hashtext($1))", `longhaul slots of ${agent.name}`);
  const late = (await listUnbegun(change.db, agent.name)).filter((task) => task.claim === claim || change.atMs - task.statusSinceMs > unbegunMsMax);
  const free = agent.concurrency - (await countRunning(change.db, agent.name));
  const claimed: Activation[] = late.map(({ runId, activation }) => ({ runId: String(runId), activation }));
  if (free <= 0) return claimed;
  const picked = line ?? (await listReady(change.db, agent.name, change.atMs, free));
  const ready = await lockReady(change.db, agent.name, change.atMs, picked);
  // Slots are left for which there may be others in line.
  if (ready.length < picked.length) change.effects.agents.add(agent.name);
  const begun = ready.filter(({ runId }) => runId === null).map(({ id: taskId }) => ({ id: newId("r"), taskId }));
  await insertRuns(change.db, begun, { agentVersion: agent.version, loopVersion: agent.loopVersion ?? 0, startedAtMs: change.atMs });
  const runIds = new Map(begun.map(({ id, taskId }) => [taskId, id]));
  const moves: Move[] = [];
  for (const task of ready) {
    const runId = task.runId ?? runIds.get(task.id) ?? "";
    const more = task.runId === null ? {} : await goOnWith(change, task.runId, agent.version);
    const activation = task.activation + 1;
    moves.push({ task, more, fields: { status: "running", runId, startedAtMs: task.startedAtMs ?? change.atMs, activation, attempt: 0, suspended: false, claim, codeVersion: null } });
    claimed.push({ runId, activation });
  }
  await moveTasks(change, moves);
  return claimed;
}

/** Queues runs of these agents that other code could not go on with: they are tried with this. */
export async function queueParked(change: Change, agents: readonly EngineAgent[]): Promise<void> {
  const parked = await lockParkedByOtherVersion(change.db, agents.map((agent) => ({ name: agent.name, codeVersion: codeVersionOf(agent) })));
  await moveTasks(change, parked.map((task) => ({ task, fields: { status: "queued" } })));
}

/** Notes the version that a run goes on with, and says which one it had when that was another. */
async function goOnWith(change: Change, runId: string, version: string): Promise<NonNullable<Move["more"]>> {
  const earlierVersion = (await getRun(change.db, runId))?.agentVersion;
  if (earlierVersion === undefined || earlierVersion === version) return {};
  await setRunVersion(change.db, runId, version);
  return { earlierVersion };
}
