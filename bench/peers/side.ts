/** One engine, open in a process of its own, with its data in a folder of its own. */
export interface Side {
  /** What a completed step survives, in words. */
  readonly durability: string;
  /** Starts one run of so many steps that do nothing. Each calls `hooks.step`; the last line of its code calls `hooks.end`. */
  start(run: number, steps: number): Promise<unknown>;
  /** Starts one run that waits for an hour, or for somebody. It calls `hooks.end` when it is about to wait. */
  startWaiting(run: number): Promise<unknown>;
  close(): Promise<void>;
}

export interface Hooks {
  step(): void;
  end(run: number): void;
}

/** `concurrency` runs execute at once at the most. */
export type OpenSide = (folder: string, hooks: Hooks, concurrency: number) => Promise<Side>;
