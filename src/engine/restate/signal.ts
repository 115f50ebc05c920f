import type { Json } from "../../base/json.ts";
import { boundedJson } from "../bounded-json.ts";
import { signalsFull } from "../refusal.ts";
import type { Change } from "./change.ts";
import { getRun } from "./runs.ts";
import { lockTaskOfRun } from "./tasks.ts";
import { completeWait } from "./transition.ts";
import { countSignals, hasSignal, insertSignal, listWaits } from "./waits.ts";

export interface Signal {
  readonly runId: string;
  readonly name: string;
  readonly payload: Json;
  readonly id: string;
}

/**
 * Answers the first wait for this signal, or keeps it until one asks. Each id counts once. False when the run is not current or has ended.
 * @throws {QUEUE_FULL} when too many signals wait for the run.
 */
export async function acceptSignal(change: Change, { runId, name, payload, id }: Signal): Promise<boolean> {
  const task = await lockTaskOfRun(change.db, runId);
  const run = await getRun(change.db, runId);
  if (run === null || task === null || task.endedAtMs !== null) return false;
  if (await hasSignal(change.db, run.serial, id)) return true;
  const stored = boundedJson(payload, `The payload of signal ${name}`, change.limits.valueBytesMax);
  const wait = (await listWaits(change.db, run.serial)).find((candidate) => candidate.signal === name);
  if (wait !== undefined) {
    await insertSignal(change.db, { run: run.serial, id, name, payload: null, consumed: true });
    await completeWait(change, wait, { ok: true, value: { by: "signal", payload: stored } });
    return true;
  }
  const { signalsPerRunMax } = change.limits;
  if ((await countSignals(change.db, run.serial)) >= signalsPerRunMax) throw signalsFull(runId, name, signalsPerRunMax);
  await insertSignal(change.db, { run: run.serial, id, name, payload: stored, consumed: false });
  return true;
}
