import { spawn } from "node:child_process";
import { crashesLately, type Instant, isInControl, type SupervisorState, stopWithinMs } from "./supervise-worker.ts";

export interface ServiceManagerOptions {
  readonly environment: (name: string) => string | undefined;
  readonly warn: (text: string) => void;
}

/**
 * Tells systemd how the supervisor fares: that the team works, what it does, that it stops, and, where a watchdog is set, that the supervisor is in control.
 * Node has no datagram sockets of the file system, so `systemd-notify` sends it: the unit needs `NotifyAccess=all`.
 */
export class ServiceManager {
  readonly #warn: (text: string) => void;
  /** Null: no watchdog asks for this process. */
  readonly #pingMs: number | null;
  #pingedAtMs = Number.NEGATIVE_INFINITY;
  #hasWorked = false;
  #isStopping = false;
  #status = "";
  #waiting: readonly string[] = [];
  /** What a message that failed said: it goes with the next. */
  #untold: readonly string[] = [];
  #isSending = false;
  #hasFailed = false;

  constructor({ environment, warn }: ServiceManagerOptions) {
    this.#warn = warn;
    const forPid = environment("WATCHDOG_PID");
    const watchdogMs = forPid === undefined || Number(forPid) === process.pid ? Number(environment("WATCHDOG_USEC")) / 1_000 : Number.NaN;
    this.#pingMs = watchdogMs > 0 ? watchdogMs / 2 : null;
  }

  show(state: SupervisorState, instant: Instant): void {
    const words: string[] = [];
    if (!this.#hasWorked && hasWorker(state)) {
      this.#hasWorked = true;
      words.push("READY=1");
    }
    if (!this.#isStopping && state.isStopping) {
      this.#isStopping = true;
      words.push("STOPPING=1", `EXTEND_TIMEOUT_USEC=${stopWithinMs(state) * 1_000}`);
    }
    const status = describeSupervision(state, instant);
    if (status !== this.#status) {
      this.#status = status;
      words.push(`STATUS=${status}`);
    }
    if (this.#pingMs !== null && instant.nowMs - this.#pingedAtMs >= this.#pingMs && isInControl(state, instant)) {
      this.#pingedAtMs = instant.nowMs;
      words.push("WATCHDOG=1");
    }
    if (words.length > 0) this.#send(words);
  }

  /** One message at a time, so that they arrive in their order. What comes meanwhile goes with the next. */
  #send(come: readonly string[]): void {
    if (this.#isSending) {
      this.#waiting = [...this.#waiting, ...come];
      return;
    }
    this.#isSending = true;
    const words = [...this.#untold, ...come];
    this.#untold = [];
    const onEnd = (problem: string | null): void => {
      if (problem !== null) {
        this.#tellOnce(problem);
        this.#untold = latest(words);
      }
      this.#isSending = false;
      const { length } = this.#waiting;
      if (length === 0) return;
      const next = this.#waiting;
      this.#waiting = [];
      this.#send(next);
    };
    try {
      const child = spawn("systemd-notify", words, { stdio: ["ignore", "ignore", "ignore"] });
      child.once("error", (error) => onEnd(error.message));
      child.once("exit", (exitCode) => onEnd(exitCode === 0 ? null : `it ended with ${exitCode ?? "a signal"}`));
    } catch (error) {
      // Of most of what the system says, such as that there is no memory; of the rest it emits an error.
      onEnd(error instanceof Error ? error.message : String(error));
    }
  }

  #tellOnce(problem: string): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#warn(`systemd could not be told that the team works: systemd-notify failed (${problem}). Install it, or have the unit say Type=exec and no WatchdogSec.`);
  }
}

/** Of several words of one name the last. A sign of life is not told later. */
function latest(words: readonly string[]): readonly string[] {
  const byName = new Map(words.map((word) => [word.slice(0, word.indexOf("=")), word]));
  byName.delete("WATCHDOG");
  return [...byName.values()];
}

function hasWorker({ worker }: SupervisorState): boolean {
  return worker !== null && worker.worksSinceMs !== null;
}

/** For `systemctl status`. */
export function describeSupervision(state: SupervisorState, instant: Instant): string {
  const { unrecorded, verdict } = state;
  const { length } = crashesLately(state, instant);
  const crashes = length === 0 ? "" : ` ${length} ${length === 1 ? "crash" : "crashes"} lately.`;
  if (state.isStopping) return "Stops.";
  if (verdict !== null) return `The worker ${verdict.reason}.`;
  if (hasWorker(state)) return `Works.${crashes}`;
  const last = unrecorded.at(-1);
  return last === undefined ? "Starts." : `Starts again: the worker before ${last.reason}.${crashes}`;
}
