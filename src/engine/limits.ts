/** Every bound of the embedded engine. All are finite; each names what happens when it is passed. */
export interface EngineLimits {
  /** Steps of one run. Over it: dead(step-limit). */
  readonly stepsPerRunMax: number;
  /** Bytes of what the steps of one run came to, as the journal holds it. Over it: dead(journal-limit). */
  readonly journalBytesPerRunMax: number;
  /** Bytes of one stored value: a step's outcome, an input, an output, a signal's payload. Over it: PAYLOAD_TOO_LARGE. */
  readonly valueBytesMax: number;
  /** Signals of one run that no wait has taken yet. Over it: QUEUE_FULL. */
  readonly signalsPerRunMax: number;
  /** Queued tasks of an agent that is not loaded, which states no queueMax of its own. Over it: QUEUE_FULL. */
  readonly queueUnknownAgentMax: number;
  /** Time that one task may execute, over all of its slots, of an agent that states no limit of its own. Over it: dead(active-time). */
  readonly activeMsMax: number;
  /** How long durable code may be busy with something other than ctx. Over it: dead(foreign-await) or waiting(code-mismatch). */
  readonly foreignAwaitGraceMs: number;
  /** The same while code awaits steps that its journal does not hold next: such a run holds a slot that others wait for. Over it: waiting(code-mismatch). */
  readonly mismatchGraceMs: number;
  /** Crashes of one task in all. Over it: dead(recovery-limit). Never reset. */
  readonly recoveriesMax: number;
  /** Crashes of one task with no step completed between them. Over it: dead(recovery-limit). */
  readonly recoveriesWithoutProgressMax: number;
  /** Crashes of one task with no step completed between them, above which it executes only while no other such task does: the next crash names its culprit. */
  readonly recoveriesIsolatedAbove: number;
  /** Attempts at a run in one slot up to which a call that is cut off soon, while its process lives, counts as no crash. Over it: each counts as one. The engine on Restate. */
  readonly uncountedAttemptsMax: number;
  /** Crashes of one task by exhausted memory with no step completed between them: the last of so many is dead(recovery-limit). Each counts as a crash too. From the first one on it executes as `recoveriesIsolatedAbove` says. */
  readonly outOfMemoryMax: number;
  /** How long what a run registered to be undone may take, from the run's end. Over it: dead(deadline). */
  readonly compensationMs: number;
  /** How long what undoes a run waits for steps of it that still act, though they were told to stop. Over it: it begins all the same. */
  readonly stopGraceMs: number;
  /** How long a task waits for people to mend a statement that the store cannot do, such as one of a table that is gone. Over it: the step or the run fails with STORE_STATEMENT. The engine on Restate. */
  readonly brokenStatementMs: number;
  /** How long an idempotency key belongs to its task. */
  readonly keyWindowMs: number;
}

export const defaultEngineLimits: EngineLimits = {
  stepsPerRunMax: 10_000,
  journalBytesPerRunMax: 50_000_000,
  valueBytesMax: 2_000_000,
  signalsPerRunMax: 1_000,
  queueUnknownAgentMax: 10_000,
  activeMsMax: 30 * 86_400_000,
  foreignAwaitGraceMs: 5_000,
  mismatchGraceMs: 250,
  recoveriesMax: 100,
  recoveriesWithoutProgressMax: 10,
  recoveriesIsolatedAbove: 3,
  uncountedAttemptsMax: 50,
  outOfMemoryMax: 3,
  compensationMs: 7 * 86_400_000,
  stopGraceMs: 60_000,
  brokenStatementMs: 600_000,
  keyWindowMs: 400 * 86_400_000,
};
