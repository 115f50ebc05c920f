/** What happens at the points where the team touches the outside. Each may throw, wait, or never come back. */
export interface Hooks {
  readonly lookUp?: Hook;
  /** Before the delivery is made, and after it is made but not yet acknowledged. */
  readonly beforeDelivery?: Hook;
  readonly afterDelivery?: Hook;
  readonly reconcile?: Hook;
  readonly verify?: Hook;
  /** Before the slot is taken, and after it is taken but not yet acknowledged; before it is freed, and after. */
  readonly beforeSlot?: Hook;
  readonly afterSlot?: Hook;
  readonly beforeFreeing?: Hook;
  readonly afterFreeing?: Hook;
}

export interface HookOptions {
  /** How often this point was reached, in all lives of the process, from 1. */
  readonly count: number;
  readonly signal: AbortSignal;
}

/** What it returns replaces what the point would have returned; undefined leaves that. */
export type Hook = (options: HookOptions) => unknown;

/** Rejects when the caller gives up, and not before. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}
