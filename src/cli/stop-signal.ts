/** How the process is asked to end. */
export interface StopSignal {
  /** Resolves at the first Ctrl-C, SIGTERM or hang-up. */
  readonly asked: Promise<NodeJS.Signals>;
  release(): void;
}

const stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** What a shell reports of a program that was ended by Ctrl-C. */
const interruptedExitCode = 130;

/** Listens for the wish to end. The second one ends the process at once, with 130. */
export function listenForStop(onSecond: () => void = () => undefined): StopSignal {
  let handle: (signal: NodeJS.Signals) => void = () => undefined;
  const asked = new Promise<NodeJS.Signals>((resolve) => {
    let isAsked = false;
    handle = (signal) => {
      if (isAsked) {
        onSecond();
        process.exit(interruptedExitCode);
      }
      isAsked = true;
      resolve(signal);
    };
  });
  for (const signal of stopSignals) process.on(signal, handle);
  return {
    asked,
    release() {
      for (const signal of stopSignals) process.off(signal, handle);
    },
  };
}
