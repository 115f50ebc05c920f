/**
 * How a worker process ended that its supervisor followed up with another one: by a signal or an exit code of its own, killed for a blocked event loop,
 * recycled for its memory, or refused at its start for a reason that may pass.
 */
export interface WorkerEnd {
  readonly how: "killed" | "crashed" | "blocked" | "recycled" | "refused";
  /** Null: it could not be started. */
  readonly pid: number | null;
  readonly atMs: number;
  /** What it did or suffered: "was killed by SIGKILL". */
  readonly reason: string;
  /** How many ends other than by recycling there were within the last hour, this one included. */
  readonly crashes: number;
  /** Why people are told of it: crashes begin, or have become many. Null: they know. */
  readonly news: "first" | "many" | null;
  /** How many crashes before this one are only counted: there were too many to hand on before a worker could record them. */
  readonly skipped: number;
}
