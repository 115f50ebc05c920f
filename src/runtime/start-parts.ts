import { messageOf } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import type { EngineAgent, RecoveryReport } from "../engine/engine.ts";
import type { Notification } from "../record/notification.ts";
import type { Write } from "../record/write.ts";
import { executeTask } from "../run/execute-task.ts";
import { loopVersion } from "../run/loop-version.ts";
import { holdWhereFull } from "./begin-disk-watch.ts";
import { toOutbox } from "./alerting.ts";
import { type Duties, settleSoon, startDuties, type Telling, tellEndsFirst } from "./duties.ts";
import { DutyLease } from "./duty-lease.ts";
import { findOutOfMemory, listOutOfMemory, removeFatalReport } from "./fatal-report.ts";
import { manifestName } from "./manifest.ts";
import type { SharedData } from "./open-data.ts";
import { startWrites } from "./worker-ends.ts";
import { takeOverManifest } from "./team-manifest.ts";
import type { TeamParts } from "./team-parts.ts";

/** What goes on by itself while a team runs. */
export interface Running {
  /** Begins nothing more for the team as a whole. */
  drain(): Promise<void>;
  /** Tells people what concerns this process alone: by itself, or by whoever has the duties. */
  tell(notification: Notification): Promise<void>;
  close(): Promise<void>;
}

/** Recovers, then begins to run tasks, to fire triggers, to judge and to tell: on a cluster the last three while this process has the duties. */
export async function startParts(parts: TeamParts): Promise<{ readonly running: Running; readonly report: RecoveryReport }> {
  const { data, write } = parts;
  if (data.shared === null) await data.store.meta.set(manifestName, parts.manifest as unknown as Json);
  await write(startWrites(parts));
  const { dataDirectory } = parts.options;
  const ranOutOfMemory = data.shared === null && dataDirectory !== null && findOutOfMemory(dataDirectory);
  if (data.shared !== null && dataDirectory !== null) await countExhausted(data.shared, dataDirectory);
  await holdWhereFull(parts);
  const telling = data.shared === null ? await tellEndsFirst(parts) : null;
  try {
    return await runParts(parts, telling, ranOutOfMemory);
  } catch (error) {
    await telling?.sender.close();
    throw error;
  }
}

async function runParts(parts: TeamParts, telling: Telling | null, ranOutOfMemory: boolean): Promise<{ readonly running: Running; readonly report: RecoveryReport }> {
  const { data, workers, services } = parts;
  const { dataDirectory } = parts.options;
  const report = await data.engine.run(toEngineAgents(workers), (context) => executeTask(services, context), { ranOutOfMemory });
  if (data.shared === null && dataDirectory !== null) removeFatalReport(dataDirectory, null);
  return { report, running: data.shared === null ? await startAlone(parts, telling) : startShared(parts, data.shared) };
}

/** Others may have gone on with their tasks. What is left of a report that was cut off, or is being written, is not looked at again. */
async function countExhausted(shared: SharedData, directory: string): Promise<void> {
  const workers = listOutOfMemory(directory);
  if (workers.length === 0) return;
  await shared.countExhausted(workers);
  for (const worker of workers) removeFatalReport(directory, worker);
}

/** What the engine has to know of agents and flows to execute them. */
export function toEngineAgents(workers: TeamParts["workers"]): readonly EngineAgent[] {
  return [...workers.values()].map(({ name, version, limits }) => ({ name, version, loopVersion, concurrency: limits.concurrency, queueMax: limits.queueMax, activeMsMax: limits.activeMsMax }));
}

async function startAlone(parts: TeamParts, telling: Telling | null): Promise<Running> {
  const duties = await startDuties(parts, { telling });
  return { drain: () => duties.scheduler.close(), tell: (notification) => duties.alerting.enqueue(notification), close: () => duties.close() };
}

/** Nothing is waited for: who has the duties may be another process, for as long as it lives. */
function startShared(parts: TeamParts, shared: SharedData): Running {
  const { data, clock, options, notifiers } = parts;
  let duties: Duties | null = null;
  const lease = new DutyLease({
    clock,
    leases: data.store.leases,
    holder: shared.worker,
    onError: (error) => options.print(`The duties of the team could not be looked after, and are tried again: ${messageOf(error)}`),
    async begin(guard, vacantMs) {
      parts.manifest = await takeOverManifest(parts, vacantMs);
      await data.store.write([guard, { type: "meta", name: manifestName, value: parts.manifest as unknown as Json }]);
      const begun = await beginShared(parts, shared, guard);
      duties = begun.duties;
      return begun;
    },
  });
  shared.onNews(() => lease.wake());
  lease.start();
  const tell = async (notification: Notification): Promise<void> => {
    await data.store.write(toOutbox(notification, notifiers.keys(), clock.now()));
    duties?.sender.wake();
    // The duties end with this process: who is alone would leave it to the next one.
    if (duties !== null) await settleSoon(duties.sender, clock);
  };
  return { drain: () => lease.close(), tell, close: () => lease.close() };
}

async function beginShared(parts: TeamParts, { duty, keepRoom, onQueued }: SharedData, guard: Write): Promise<{ readonly duties: Duties; close(): Promise<void> }> {
  const room = keepRoom();
  const stop = (): void => {
    room.cancel();
    duty.stop();
  };
  try {
    await duty.start();
    const duties = await startDuties(parts, { guards: [guard] });
    const queued = onQueued(() => duties.sender.wake());
    return {
      duties,
      async close() {
        queued.close();
        stop();
        await duties.close();
      },
    };
  } catch (error) {
    stop();
    throw error;
  }
}
