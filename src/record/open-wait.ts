/** A wait as people see it. */
export interface OpenWait {
  readonly runId: string;
  readonly signal: string | null;
  readonly sinceAtMs: number;
  /** When it ends without the signal; null when it does not. */
  readonly dueAtMs: number | null;
}
