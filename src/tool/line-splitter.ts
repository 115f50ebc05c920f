/** Splits a stream of bytes into lines, and holds at most one line of `bytesMax`. */
export class LineSplitter {
  readonly #bytesMax: number;
  #parts: Buffer[] = [];
  #bytes = 0;
  #isOver = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** True once a line was over the limit: where the next one begins is not known. Nothing is kept from then on. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The first bytes of the line that has no end yet. */
  beginning(bytesMax: number): Buffer {
    return Buffer.concat(this.#parts.slice(0, 1)).subarray(0, bytesMax);
  }

  /** The lines that this chunk completes, without their line breaks. */
  take(chunk: Buffer): readonly string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1 && !this.#isOver; end = chunk.indexOf(10, from)) {
      this.#hold(chunk.subarray(from, end));
      from = end + 1;
      if (this.#isOver) break;
      lines.push(Buffer.concat(this.#parts).toString("utf8").replace(/\r$/, ""));
      this.#parts = [];
      this.#bytes = 0;
    }
    this.#hold(chunk.subarray(from));
    return lines;
  }

  #hold(part: Buffer): void {
    if (this.#isOver || part.length === 0) return;
    this.#bytes += part.length;
    this.#isOver = this.#bytes > this.#bytesMax;
    if (!this.#isOver) this.#parts.push(part);
    else this.#parts = this.#parts.length === 0 ? [Buffer.from(part.subarray(0, 256))] : this.#parts.slice(0, 1);
  }
}
