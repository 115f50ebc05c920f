/** From a task's creation to its end, when its agent states nothing. */
export const defaultDeadlineMs = 7 * 86_400_000;
/** How long a task executes, waits not counted, when its agent states nothing. */
export const defaultActiveMsMax = 3_600_000;
/** One attempt of `verify`, when its agent states nothing. */
export const defaultVerifyTimeoutMs = 600_000;
