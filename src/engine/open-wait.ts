/** A wait as people see it. */
export interface OpenWait {
  readonly runId: string;
  readonly signal: string | null;
  readonly sinceAtMs: number;
}
