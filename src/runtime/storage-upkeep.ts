/** What keeps the storage small. Both work in slices, with a rest after each. */
export interface StorageUpkeep {
  /** Deletes large values to which nothing refers any more. */
  sweep(rest: () => Promise<void>): Promise<void>;
  /** Gives what is free back to the disk, but for what is soon needed again. */
  shrink(rest: () => Promise<void>): Promise<void>;
}
