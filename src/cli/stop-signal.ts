import type { Clock } from "../base/clock.ts";
import { listenToKeyboard } from "./keyboard.ts";
import { watchParent } from "./watch-parent.ts";

/** How the process is asked to end. */
export interface StopSignal {
  /** Resolves at the first Ctrl-C, SIGTERM or hang-up, or when the `npm` that started this process is gone. */
  readonly asked: Promise<NodeJS.Signals>;
  isAsked(): boolean;
  release(): void;
}

export interface StopOptions {
  readonly clock: Clock;
  /** Called at the first wish, whatever the program is just doing. */
  readonly onFirst?: () => void;
  /** Called before the process ends at once: at the second wish, or by the key that quits. */
  readonly beforeEnd?: () => void;
  /** False where a child has the keyboard. Default true. */
  readonly hasKeyboard?: boolean;
  /** How soon after it a signal is the same wish. `npm` passes on the Ctrl-C that the terminal has already sent. Default 400 ms. */
  readonly sameWishMs?: number;
}

const stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const sameWishMsDefault = 400;
/** What a shell reports of a program that was ended by Ctrl-C. */
const interruptedExitCode = 130;

/** Listens for the wish to end. The second one ends the process at once, with 130. */
export function listenForStop({ clock, onFirst = () => undefined, beforeEnd = () => undefined, hasKeyboard = true, sameWishMs = sameWishMsDefault }: StopOptions): StopSignal {
  let handle: (signal: NodeJS.Signals) => void = () => undefined;
  let askedMs: number | null = null;
  const asked = new Promise<NodeJS.Signals>((resolve) => {
    handle = (signal) => {
      if (askedMs === null) {
        askedMs = clock.monotonicMs();
        onFirst();
        resolve(signal);
      } else if (clock.monotonicMs() - askedMs > sameWishMs) {
        beforeEnd();
        process.exit(interruptedExitCode);
      }
    };
  });
  for (const signal of stopSignals) process.on(signal, handle);
  const keyboard = hasKeyboard ? listenToKeyboard({ onInterrupt: () => handle("SIGINT"), onQuit: beforeEnd }) : null;
  const stopWatching = watchParent(clock, () => handle("SIGTERM"));
  return {
    asked,
    isAsked: () => askedMs !== null,
    release() {
      for (const signal of stopSignals) process.off(signal, handle);
      keyboard?.release();
      stopWatching();
    },
  };
}
