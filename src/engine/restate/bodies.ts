/** The bodies of one run that execute. */
export class Bodies {
  #count = 0;
  #ended: (() => void)[] = [];

  get isAnyLeft(): boolean {
    return this.#count > 0;
  }

  begin(): void {
    this.#count++;
  }

  end(): void {
    if (--this.#count === 0) for (const wake of this.#ended.splice(0)) wake();
  }

  /** Resolves when none executes. */
  async ended(): Promise<void> {
    if (this.#count > 0) await new Promise<void>((resolve) => this.#ended.push(resolve));
  }
}
