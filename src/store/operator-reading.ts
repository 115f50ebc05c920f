import { formatDuration } from "../base/duration.ts";
import { LonghaulError } from "../base/error.ts";
import type { KeyStore, MessageStore, MetaStore, MoneyLedger, OutboxEntry, ProgressStore, RecordStore, TriggerStore } from "./store.ts";

/** What people ask of the data of a team, while it works or after it has stopped. */
export interface OperatorReading {
  readonly records: RecordStore;
  readonly messages: MessageStore;
  readonly money: Pick<MoneyLedger, "spent">;
  readonly progress: ProgressStore;
  readonly triggers: TriggerStore;
  readonly meta: Pick<MetaStore, "get" | "list">;
  readonly keys: KeyStore;
  readonly outbox: {
    /** The last 1,000 notifications in every state, oldest first. */
    list(): Promise<readonly OutboxItem[]>;
  };
  /**
   * One reading statement of the operator's own. `rowsMax` is 1,000 by default, 1 to 100,000; what is beyond is left out and `truncated` says so.
   * After `timeoutMs` it is ended; without that, a statement that is known to be short is not looked after.
   * @throws {STORE_QUERY} naming the reason.
   */
  query(sql: string, options?: QueryOptions): Promise<QueryResult>;
}

export interface QueryOptions {
  readonly rowsMax?: number;
  readonly timeoutMs?: number;
}

/** An entry as operators see it: delivered and given-up ones stay for the record. */
export interface OutboxItem extends OutboxEntry {
  readonly state: "waiting" | "delivered" | "failed";
  readonly queuedAtMs: number;
  readonly endedAtMs: number | null;
  readonly lastError: string | null;
}

export interface QueryResult {
  /** The rows in the order of the statement. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** True when there were more rows than `rowsMax`. */
  readonly truncated: boolean;
  readonly rowsMax: number;
}

/** A statement of the operator's own was ended. */
export function tookTooLong(timeoutMs: number, cause?: unknown): LonghaulError {
  return new LonghaulError("STORE_QUERY", `The query was ended: it took longer than ${formatDuration(timeoutMs)}. Ask for less, or give it more time with --timeout.`, cause === undefined ? {} : { cause });
}
