/** What keeps the storage small. */
export interface StorageUpkeep {
  /** Forgets workers of the team that have been silent for long; nothing, where the data is one process's own. */
  forgetWorkers(): Promise<void>;
  /** Deletes large values to which nothing refers any more, in slices, with a rest after each. */
  sweep(rest: () => Promise<void>): Promise<void>;
  /** Gives what is free back to the disk, but for what is soon needed again, in slices too. */
  shrink(rest: () => Promise<void>): Promise<void>;
}
