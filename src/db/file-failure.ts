/** What SQLite calls: busy, out of memory, read-only, interrupted, input or output failed, disk full, cannot open. */
const fileErrcodes = [5, 7, 8, 9, 10, 13, 14];

/** Between two tries of what the file refused. */
export const fileRetryMs = 1_000;

/** True when the file or the machine under it failed, not the statement: the same work may succeed later. */
export function isFileFailure(error: unknown): error is Error {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return false;
  // The low byte of an extended code is the code itself.
  return fileErrcodes.includes(error.errcode % 256);
}
