/**
 * An AbortController that comes into being when somebody asks for its signal: most of what could be aborted ends without that anybody ever did, and an
 * error with its stack is dear. A signal that is asked for afterwards is aborted from the beginning.
 */
export class LazyAbort {
  #controller: AbortController | null = null;
  #reasonOf: (() => Error) | null = null;

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#reasonOf !== null) this.#controller.abort(this.#reasonOf());
    }
    return this.#controller.signal;
  }

  /** `reasonOf` is asked at most once, when there is a signal. The first reason stays. */
  abort(reasonOf: () => Error): void {
    if (this.#reasonOf !== null) return;
    this.#reasonOf = reasonOf;
    this.#controller?.abort(reasonOf());
  }
}
