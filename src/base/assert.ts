/** Stops on a bug of ours. Not for bad input, which gets a coded error. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Longhaul bug: ${message}. Please report it.`);
}
