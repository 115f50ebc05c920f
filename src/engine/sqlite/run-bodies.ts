/** The bodies of steps that execute in this process, by their runs: also those of runs that are over and have left memory. */
export class RunBodies {
  readonly #counts = new Map<string, number>();

  isActing(runId: string): boolean {
    return this.#counts.has(runId);
  }

  begin(runId: string): void {
    this.#counts.set(runId, (this.#counts.get(runId) ?? 0) + 1);
  }

  end(runId: string): void {
    const left = (this.#counts.get(runId) ?? 1) - 1;
    if (left === 0) this.#counts.delete(runId);
    else this.#counts.set(runId, left);
  }
}
