import { formatDuration } from "../base/duration.ts";
import type { StepExecution } from "../engine/engine.ts";
import { placeOf, recordWrite } from "./run-record.ts";
import type { RunScope } from "./run-services.ts";

/** How often a step that goes on for long says so. Well below the silence after which a task counts as stalled. */
const heartbeatMs = 300_000;

/** Numbers of an attempt's heartbeats among its step's records: behind all that the step itself may write, and no other attempt's. */
const beatsPerAttempt = 10_000;

/**
 * Runs a step's body, and leaves a record every five minutes while it goes on, so that a long step is not taken for one that hangs. Every step has a
 * timeout of its own; a heartbeat is activity, never progress.
 */
export async function withHeartbeat<T>(scope: RunScope, execution: StepExecution, what: string, body: () => Promise<T>): Promise<T> {
  const { clock, store } = scope.services;
  let beats = 0;
  const beat = (): void => {
    beats++;
    const place = { ...placeOf(execution), n: execution.attempt * beatsPerAttempt + beats };
    const reason = `${what} goes on for ${formatDuration(beats * heartbeatMs)}`;
    // A heartbeat that is not written is one that is missed: the next one comes.
    store.write([recordWrite(scope, place, { event_type: "run", result: "busy", reason })]).catch(() => undefined);
    timer = clock.setTimer(heartbeatMs, beat);
  };
  let timer = clock.setTimer(heartbeatMs, beat);
  try {
    return await body();
  } finally {
    timer.cancel();
  }
}
