/** Resolves in the next turn of the event loop, after every microtask of this one. */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

let due: (() => void)[] = [];

/** Runs `work` in the next turn of the event loop, with all else that is to run then: the platform's own `setImmediate` costs more than most of it. */
export function onNextTurn(work: () => void): void {
  if (due.push(work) === 1) setImmediate(runDue);
}

function runDue(): void {
  const works = due;
  due = [];
  let done = 0;
  try {
    for (; done < works.length; done++) works[done]?.();
  } finally {
    // One of them threw: the others run all the same.
    for (const work of works.slice(done + 1)) onNextTurn(work);
  }
}
