import { onNextTurn } from "../base/turn.ts";
import type { LogRecord } from "../record/log-record.ts";
import type { RecordStore } from "../store/store.ts";

export interface RecordTail {
  /** Something was committed: read what is new. */
  changed(): void;
  /** Resolves when everything that was committed before the call has been handed on. */
  settled(): Promise<void>;
}

const batchMax = 1_000;

/** Hands on every record that is appended from now on, once, in order, after it is on disk. Reads only after a commit. A listener that throws misses that record only. */
export async function createRecordTail(records: RecordStore, onRecord: ((record: LogRecord) => void) | undefined, onError: (error: unknown) => void): Promise<RecordTail> {
  if (onRecord === undefined) return { changed: () => undefined, settled: async () => undefined };
  const [last] = await records.query({ limit: 1 });
  let position = last?.position ?? 0;
  let reading: Promise<void> | null = null;
  let isStale = false;

  const read = async (): Promise<void> => {
    while (isStale) {
      isStale = false;
      const batch = await records.query({ afterPosition: position, take: "oldest", limit: batchMax });
      for (const stored of batch) {
        position = stored.position;
        tell(stored.record);
      }
      if (batch.length === batchMax) isStale = true;
    }
  };
  const tell = (record: LogRecord): void => {
    try {
      onRecord(record);
    } catch (error) {
      onError(error);
    }
  };
  const begin = (): Promise<void> =>
    read()
      .catch(onError)
      .finally(() => {
        reading = null;
      });
  return {
    changed() {
      isStale = true;
      onNextTurn(() => {
        if (isStale) reading ??= begin();
      });
    },
    settled: async () => {
      isStale = true;
      await (reading ?? (reading = begin()));
    },
  };
}
