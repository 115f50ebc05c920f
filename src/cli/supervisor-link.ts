import { constants, PerformanceObserver } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import type { Clock, Timer } from "../base/clock.ts";
import type { Json } from "../base/json-type.ts";
import type { WorkerEnd } from "../record/worker-end.ts";
import { beforeVariable, heartbeatMs, type RecycleMessage, type StopMessage, type WorkerLimits, type WorkerMessage } from "./supervisor/worker-message.ts";

/** What this process, as a worker, tells its supervisor and hears from it. */
export interface SupervisorLink {
  /** Workers that ended before this one and that nobody has recorded, oldest first. */
  readonly before: readonly WorkerEnd[];
  /** Resolves with the reason when this worker shall drain, so that another one goes on. */
  readonly recycled: Promise<string>;
  /** Resolves with what is to be told when the supervisor is gone: nobody would restart this process, and whoever starts the team again finds it in the way. */
  readonly abandoned: Promise<string>;
  /** Has every wish to end that the supervisor hears of told to `listener`, earlier ones too. */
  onStop(listener: (signal: StopMessage["signal"]) => void): void;
  /** From now on the supervisor is told that this process lives. */
  begin(limits: WorkerLimits): void;
  tell(message: WorkerMessage): void;
  /** Tells how this process ends; resolves when that is on its way. */
  end(message: Extract<WorkerMessage, { type: "ends" }>): Promise<void>;
}

/** The link of a process that `longhaul start` began as its worker; null in any other. Processes that this one begins have none. */
export function findSupervisor(clock: Clock): SupervisorLink | null {
  const before = process.env[beforeVariable];
  delete process.env[beforeVariable];
  if (before === undefined || process.send === undefined) return null;
  return new Link(clock, JSON.parse(before) as readonly WorkerEnd[]);
}

class Link implements SupervisorLink {
  readonly before: readonly WorkerEnd[];
  readonly recycled: Promise<string>;
  readonly abandoned: Promise<string>;
  readonly #clock: Clock;
  readonly #wishes: StopMessage["signal"][] = [];
  #onStop: (signal: StopMessage["signal"]) => void = (signal) => void this.#wishes.push(signal);
  #timer: Timer | null = null;
  #isSending = false;
  /** Of the heap, after the last full collection. */
  #heapBytes = 0;

  constructor(clock: Clock, before: readonly WorkerEnd[]) {
    this.#clock = clock;
    this.before = before;
    this.recycled = new Promise((resolve) => {
      process.on("message", (message: Json | RecycleMessage | StopMessage) => {
        if (isRecycle(message)) resolve(message.reason);
        else if (isStop(message)) this.#onStop(message.signal);
      });
    });
    // Afterwards its parent is another process.
    const supervisorPid = process.ppid;
    this.abandoned = new Promise((resolve) => {
      process.once("disconnect", () => resolve(`its supervisor (process ${supervisorPid}) is gone`));
    });
  }

  onStop(listener: (signal: StopMessage["signal"]) => void): void {
    this.#onStop = listener;
    for (const signal of this.#wishes.splice(0)) listener(signal);
  }

  begin(limits: WorkerLimits): void {
    this.tell({ type: "begins", limits });
    const observer = new PerformanceObserver((list) => {
      const isFull = list.getEntries().some((entry) => (entry as { readonly detail?: { readonly kind?: number } }).detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR);
      if (!isFull) return;
      this.#heapBytes = process.memoryUsage().heapUsed;
      send();
    });
    const send = (): void => {
      // A supervisor that was stopped does not read: nothing is piled up for it.
      if (!this.#isSending) {
        this.#isSending = true;
        this.#send({ type: "lives", memory: { residentBytes: process.memoryUsage.rss(), heapShare: this.#heapBytes / longLivedBytesMax() } }, () => {
          this.#isSending = false;
        });
      }
    };
    observer.observe({ entryTypes: ["gc"] });
    const beat = (): void => {
      send();
      this.#timer = this.#clock.setTimer(heartbeatMs, beat);
    };
    beat();
  }

  tell(message: WorkerMessage): void {
    this.#send(message, () => undefined);
  }

  end(message: Extract<WorkerMessage, { type: "ends" }>): Promise<void> {
    this.#timer?.cancel();
    return new Promise((resolve) => this.#send(message, resolve));
  }

  #send(message: WorkerMessage, onSent: () => void): void {
    if (!process.connected) {
      onSent();
      return;
    }
    // A supervisor that is gone hears nothing more; `abandoned` says so.
    process.send?.(message, undefined, undefined, () => onSent());
  }
}

/** What V8 allows the young generation on a large machine: it counts for the limit of the heap, and gives up no later for it. */
const youngBytesMax = 192 * 1024 ** 2;

function longLivedBytesMax(): number {
  const { heap_size_limit: limit } = getHeapStatistics();
  return Math.max(limit / 2, limit - youngBytesMax);
}

function isStop(message: Json | RecycleMessage | StopMessage): message is StopMessage {
  return typeof message === "object" && message !== null && "type" in message && message.type === "stop";
}

function isRecycle(message: Json | RecycleMessage | StopMessage): message is RecycleMessage {
  return typeof message === "object" && message !== null && "type" in message && message.type === "recycle";
}
