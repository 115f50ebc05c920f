import type { RecordFilter, RecordStore, StoredRecord } from "../store/store.ts";

const pageSize = 10_000;

/** Records behind a position that pass a filter, each once. What was passed over once is not looked at again, however little passes. */
export class UnreadRecords {
  readonly #records: Pick<RecordStore, "query">;
  readonly #filter: RecordFilter;
  #position: number;

  constructor(records: Pick<RecordStore, "query">, filter: RecordFilter, position: number) {
    this.#records = records;
    this.#filter = filter;
    this.#position = position;
  }

  /** Behind it everything is unread. */
  get position(): number {
    return this.#position;
  }

  /** The next ones, oldest first. `isAll` is false when there are more. */
  async read(): Promise<{ readonly found: readonly StoredRecord[]; readonly isAll: boolean }> {
    // It is asked for first: whatever comes before it is there when the others are read.
    const [newest] = await this.#records.query({ limit: 1 });
    if (newest === undefined || newest.position <= this.#position) return { found: [], isAll: true };
    const found = await this.#records.query({ ...this.#filter, afterPosition: this.#position, take: "oldest", limit: pageSize });
    const isAll = found.length < pageSize;
    this.#position = Math.max(found.at(-1)?.position ?? 0, isAll ? newest.position : 0);
    return { found, isAll };
  }
}
