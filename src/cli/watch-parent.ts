import type { Clock, Timer } from "../base/clock.ts";

const checkMs = 1_000;

/** Calls `onGone` when the shell of `npm` that started this process is gone. `npm` passes signals to its shell, which ends without passing them on: this process would stay behind, unseen. */
export function watchParent(clock: Clock, onGone: () => void): () => void {
  if (process.env["npm_command"] === undefined) return () => undefined;
  const parent = process.ppid;
  let timer: Timer | null = null;
  const check = (): void => {
    timer = process.ppid === parent ? clock.setTimer(checkMs, check) : null;
    if (timer === null) onGone();
  };
  timer = clock.setTimer(checkMs, check);
  return () => timer?.cancel();
}
