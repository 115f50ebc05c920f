/** Resolves in the next turn of the event loop, after every microtask of this one. */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Runs `work` in the next turn of the event loop. */
export function onNextTurn(work: () => void): void {
  setImmediate(work);
}
