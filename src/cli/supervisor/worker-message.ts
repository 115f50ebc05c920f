/** What a supervisor holds its worker to. */
export interface WorkerLimits {
  /** An event loop that does not turn for longer is blocked. */
  readonly blockedAfterMs: number;
  /** Resident memory above which the worker is recycled. */
  readonly memoryBytesMax: number;
  /** How long it may take to drain. */
  readonly drainMs: number;
}

/** What a worker needs by its own measure. */
export interface WorkerMemory {
  readonly residentBytes: number;
  /** What the last full collection left of the heap, as a share of what V8 may take before it gives up. */
  readonly heapShare: number;
}

/** What a worker tells its supervisor. Without the first of them, the supervisor only passes on signals and the exit code. */
export type WorkerMessage =
  | { readonly type: "begins"; readonly limits: WorkerLimits }
  /** The team was loaded and its data taken over: from here on an end that nobody asked for is a crash. `noteFile`: where people find what the supervisor does then. */
  | { readonly type: "opened"; readonly noteFile?: string }
  | { readonly type: "works" }
  | { readonly type: "lives"; readonly memory: WorkerMemory }
  /** It was asked to end by its own keyboard, or by a signal that only it got. */
  | { readonly type: "stops" }
  /** The last message of a worker that ends in order. `isTransient`: it was refused, and may not be a while later. */
  | { readonly type: "ends"; readonly isTransient: boolean };

const messageTypes: readonly unknown[] = ["begins", "opened", "works", "lives", "stops", "ends"] satisfies readonly WorkerMessage["type"][];

/** Code of the team may use the channel of its process too, as some packages do to say that they are ready. */
export function isWorkerMessage(message: unknown): message is WorkerMessage {
  return typeof message === "object" && message !== null && "type" in message && messageTypes.includes(message.type);
}

/** What a supervisor tells its worker: to drain and to end, because another one shall go on. */
export interface RecycleMessage {
  readonly type: "recycle";
  readonly reason: string;
}

/**
 * The wish to end, as its supervisor was told it. By a message and not by a signal: the terminal sends its own to both processes, and a worker that got two could not
 * tell a second Ctrl-C from the first one passed on.
 */
export interface StopMessage {
  readonly type: "stop";
  readonly signal: "SIGINT" | "SIGTERM" | "SIGHUP";
}

/** What a worker ends with that was recycled: EX_TEMPFAIL. */
export const recycledExitCode = 75;

/** A worker says that it lives once in so long. */
export const heartbeatMs = 1_000;

/** The environment of a worker: what ended before it, as JSON. Without it, nobody supervises. */
export const beforeVariable = "LONGHAUL_WORKERS_BEFORE";
