import { onNextTurn } from "./turn.ts";

/**
 * Knows when the event loop of this thread has nothing left: no turn, no file operation, no module that is being read. It is told so by the platform itself,
 * which is about to end the thread then. While somebody waits here, the thread goes on.
 */
export class IdleLoop {
  #wake: (() => void) | null = null;
  readonly #onIdle = (): void => {
    const wake = this.#wake;
    if (wake === null) return;
    this.#wake = null;
    onNextTurn(nothing);
    wake();
  };

  constructor() {
    process.on("beforeExit", this.#onIdle);
  }

  /** Resolves when nothing is left to happen by itself. One at a time may wait. */
  untilIdle(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  close(): void {
    process.off("beforeExit", this.#onIdle);
  }
}

function nothing(): void {
  // A turn that is there only to keep the loop going.
}
