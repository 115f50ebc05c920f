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
  /** Another way on which the same wish may come, at any distance: the terminal tells this process and its supervisor, which passes it on. */
  readonly relay?: (onWish: (signal: NodeJS.Signals) => void) => void;
}

const stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** How soon after the first a signal is the same wish. `npm` passes on the Ctrl-C that the terminal has already sent. */
const sameWishMs = 400;
/** What a shell reports of a program that was ended by Ctrl-C. */
const interruptedExitCode = 130;

/** Listens for the wish to end. The second one ends the process at once, with 130: the second on one way, as the first one may come on both. */
export function listenForStop({ clock, onFirst = () => undefined, beforeEnd = () => undefined, hasKeyboard = true, relay = () => undefined }: StopOptions): StopSignal {
  let isAsked = false;
  const { promise: asked, resolve } = Promise.withResolvers<NodeJS.Signals>();
  const listenOnWay = (): ((signal: NodeJS.Signals) => void) => {
    let firstMs: number | null = null;
    return (signal) => {
      if (firstMs !== null && clock.monotonicMs() - firstMs > sameWishMs) {
        beforeEnd();
        process.exit(interruptedExitCode);
      }
      firstMs ??= clock.monotonicMs();
      if (isAsked) return;
      isAsked = true;
      onFirst();
      resolve(signal);
    };
  };
  const handle = listenOnWay();
  relay(listenOnWay());
  for (const signal of stopSignals) process.on(signal, handle);
  const keyboard = hasKeyboard ? listenToKeyboard({ onInterrupt: () => handle("SIGINT"), onQuit: beforeEnd }) : null;
  const stopWatching = watchParent(clock, () => handle("SIGTERM"));
  return {
    asked,
    isAsked: () => isAsked,
    release() {
      for (const signal of stopSignals) process.off(signal, handle);
      keyboard?.release();
      stopWatching();
    },
  };
}
