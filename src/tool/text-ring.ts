/** Keeps the last bytes of a stream of text. */
export class TextRing {
  readonly #bytesMax: number;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  append(chunk: Buffer): void {
    // The copy lets go of the chunk's own memory, which may be far larger than what is kept.
    const joined = Buffer.concat([this.#bytes, chunk.subarray(-this.#bytesMax)]);
    this.#bytes = Buffer.from(joined.subarray(-this.#bytesMax));
  }

  get text(): string {
    return this.#bytes.toString("utf8").trim();
  }
}
