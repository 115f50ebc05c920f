import { isForeground } from "../base/foreground.ts";

export interface KeyboardOptions {
  readonly onInterrupt: () => void;
  /** Called before the key that quits ends the process. */
  readonly onQuit: () => void;
}

export interface Keyboard {
  readonly release: () => void;
}

const interruptKey = "\u0003";
const suspendKey = "\u001A";
const quitKey = "\u001C";

/**
 * Reads Ctrl-C as a key, where this process has a terminal of its own. As a signal it would reach `npm` and its shell too, which end at once and leave the
 * team draining behind the prompt. It also keeps what is typed from tearing the live view apart.
 */
export function listenToKeyboard({ onInterrupt, onQuit }: KeyboardOptions): Keyboard {
  const { stdin } = process;
  if (!stdin.isTTY || !process.stdout.isTTY || !isForeground()) return { release: () => undefined };
  const onKeys = (keys: Buffer): void => {
    for (const key of keys.toString("latin1")) {
      if (key === interruptKey) onInterrupt();
      else if (key === quitKey) quit();
      else if (key === suspendKey) signalGroup("SIGTSTP");
    }
  };
  // As the terminal would: the whole group, with what started this process.
  const signalGroup = (signal: NodeJS.Signals): void => {
    stdin.setRawMode(false);
    process.kill(0, signal);
  };
  const quit = (): void => {
    onQuit();
    signalGroup("SIGQUIT");
  };
  const onContinue = (): void => {
    if (isForeground()) stdin.setRawMode(true);
  };
  stdin.setRawMode(true);
  stdin.on("data", onKeys);
  process.on("SIGCONT", onContinue);
  return {
    release() {
      stdin.off("data", onKeys);
      process.off("SIGCONT", onContinue);
      if (isForeground()) stdin.setRawMode(false);
      stdin.pause();
    },
  };
}
