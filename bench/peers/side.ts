/** One engine, open in a process of its own, with its data in a folder of its own. */
export interface Side {
  /** What a completed step survives, in words. */
  readonly durability: string;
  /** How long the start of a server took that the engine needs; 0: none. */
  readonly serverMs: number;
  /**
   * Starts one run of so many steps that do nothing; resolves when it is taken on, and awaits nothing of its end. Each step calls `hooks.step`, the last line of the run's code `hooks.end`.
   * A run that fails ends the process.
   */
  start(run: number, steps: number): Promise<unknown>;
  /** Starts one run that waits for an hour, or for somebody. It calls `hooks.end` when it is about to wait. */
  startWaiting(run: number): Promise<unknown>;
  /** How many runs are stored as ended well. */
  ended(): Promise<number>;
  /** How many runs are stored as waiting. */
  waiting(): Promise<number>;
  close(): Promise<void>;
}

export interface Hooks {
  step(): void;
  end(run: number): void;
}

/** `concurrency` runs execute at once at the most, where the engine has such a limit. */
export type OpenSide = (folder: string, hooks: Hooks, concurrency: number) => Promise<Side>;
