import type { Clock, Timer } from "../../base/clock.ts";
import { sleep } from "../../base/clock.ts";
import { LonghaulError, messageOf } from "../../base/error.ts";
import type { Write } from "../../record/write.ts";
import { type MessageRow, toMessageRow } from "./messages.ts";
import { type RecordRow, toRecordRow } from "./records.ts";

/** What may be written late and together: it refuses nothing, and is idempotent by its id. */
export type Fact = Extract<Write, { readonly type: "record" | "message" }>;

export interface FactRows {
  readonly records: readonly RecordRow[];
  readonly messages: readonly MessageRow[];
}

export interface IngestionOptions {
  readonly clock: Clock;
  /** Writes the rows in one transaction. Done again with the same rows, it changes nothing. */
  readonly write: (rows: FactRows) => Promise<void>;
}

type Entry = { readonly id: string; readonly size: number } & ({ readonly record: RecordRow } | { readonly message: MessageRow });

/** Facts of one transaction at the most, and as many before somebody has to wait. */
const batchMax = 500;
const pendingMax = 10_000;
/** The same in characters: facts may be long. */
const batchSizeMax = 4_000_000;
const pendingSizeMax = 32_000_000;
/** A fact waits no longer for others to be written with it. */
const lingerMs = 200;
const retryMs = 1_000;
/** The server found fault with the content of a row: numbers and texts out of range, constraints. */
const contentStates = /^2[23]/;

interface Waiter {
  readonly upTo: number;
  /** Whether the failure of a try ends the waiting. */
  readonly endsByFailure: boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Collects facts of many steps and writes them in batches, in the order of their acceptance, one transaction at a time.
 *  I1 what was accepted is written, unless the process dies: a batch that fails is tried again until it is in (its ids make that harmless);
 *  I2 no more than pendingMax facts wait (and one call's more): who brings more waits;
 *  I3 a fact that the database refuses for its content holds nobody up: it is left out and the next `flush` says so. It is a bug of ours.
 *  I4 with nothing to write there is no timer and no query.
 */
export class Ingestion {
  readonly #clock: Clock;
  readonly #write: IngestionOptions["write"];
  readonly #closing = new AbortController();
  #entries: Entry[] = [];
  #size = 0;
  #accepted = 0;
  #written = 0;
  #batchLimit = batchMax;
  #isRunning = false;
  #linger: Timer | null = null;
  #waiters: Waiter[] = [];
  #refusals: LonghaulError[] = [];

  constructor({ clock, write }: IngestionOptions) {
    this.#clock = clock;
    this.#write = write;
  }

  /** Resolves when the facts are accepted, which is at once unless too many wait. */
  async accept(facts: readonly Fact[]): Promise<void> {
    const entries = facts.map(toEntry);
    this.#closing.signal.throwIfAborted();
    while (this.#entries.length >= pendingMax || this.#size >= pendingSizeMax) await this.#untilWritten(this.#written + 1, false);
    this.#closing.signal.throwIfAborted();
    for (const entry of entries) {
      this.#entries.push(entry);
      this.#size += entry.size;
    }
    this.#accepted += entries.length;
    if (this.#entries.length >= batchMax || this.#size >= batchSizeMax) this.#start();
    else if (this.#entries.length > 0) this.#linger ??= this.#clock.setTimer(lingerMs, () => this.#start());
  }

  /**
   * Resolves when all that was accepted before is on disk. What it rejects with does not end the trying: all that waits is still written later.
   * @throws {STORE_UNREACHABLE} and what else the database says. @throws {STORE_FACT_REFUSED} when facts had to be left out.
   */
  async flush(): Promise<void> {
    await this.#untilWritten(this.#accepted, true);
    const [refusal] = this.#refusals.splice(0);
    if (refusal !== undefined) throw refusal;
  }

  /** Writes what waits, with one more try, and takes nothing more. */
  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      this.#closing.abort(new LonghaulError("ENGINE_CLOSED", "The store is closed. Start again to use it."));
      this.#linger?.cancel();
      this.#endWaiting(() => true, ({ reject }) => reject(this.#closing.signal.reason));
    }
  }

  #untilWritten(upTo: number, endsByFailure: boolean): Promise<void> {
    if (this.#written >= upTo) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ upTo, endsByFailure, resolve, reject });
      this.#start();
    });
  }

  #start(): void {
    this.#linger?.cancel();
    this.#linger = null;
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    while (this.#entries.length > 0 && !this.#closing.signal.aborted) {
      const batch = this.#nextBatch();
      try {
        await this.#write(toRows(batch));
        this.#leave(batch.length);
        this.#batchLimit = batchMax;
      } catch (error) {
        await this.#afterFailure(batch, error);
      }
    }
    this.#isRunning = false;
  }

  #nextBatch(): readonly Entry[] {
    let size = 0;
    const end = this.#entries.findIndex((entry, index) => (size += entry.size) > batchSizeMax && index > 0);
    return this.#entries.slice(0, Math.min(this.#batchLimit, end === -1 ? this.#entries.length : end));
  }

  async #afterFailure(batch: readonly Entry[], error: unknown): Promise<void> {
    if (isOfContent(error)) {
      // One of them is at fault: in smaller batches it is found, and the others are written.
      if (batch.length > 1) {
        this.#batchLimit = Math.ceil(batch.length / 2);
        return;
      }
      this.#refusals.push(new LonghaulError("STORE_FACT_REFUSED", `${batch[0]?.id ?? ""} was refused by the database and left out: ${messageOf(error)}. Please report it.`, { cause: error }));
      this.#leave(1);
      return;
    }
    this.#endWaiting(({ endsByFailure }) => endsByFailure, ({ reject }) => reject(error));
    // Close ends the wait early, and with it the trying.
    await sleep(this.#clock, retryMs, this.#closing.signal).catch(() => undefined);
  }

  #leave(count: number): void {
    for (const { size } of this.#entries.splice(0, count)) this.#size -= size;
    this.#written += count;
    this.#endWaiting(({ upTo }) => upTo <= this.#written, ({ resolve }) => resolve());
  }

  #endWaiting(isOver: (waiter: Waiter) => boolean, tell: (waiter: Waiter) => void): void {
    const over = this.#waiters.filter(isOver);
    this.#waiters = this.#waiters.filter((waiter) => !isOver(waiter));
    for (const waiter of over) tell(waiter);
  }
}

function toEntry(fact: Fact): Entry {
  if (fact.type === "record") {
    const record = toRecordRow(fact.record);
    return { id: `record ${fact.record.id}`, size: record.reduce<number>((sum, value) => sum + (typeof value === "string" ? value.length : 0), 0), record };
  }
  const message = toMessageRow(fact);
  return { id: `message ${fact.id}`, size: message.content.length, message };
}

function toRows(entries: readonly Entry[]): FactRows {
  return {
    records: entries.flatMap((entry) => ("record" in entry ? [entry.record] : [])),
    messages: entries.flatMap((entry) => ("message" in entry ? [entry.message] : [])),
  };
}

function isOfContent(error: unknown): boolean {
  return error instanceof Error && "code" in error && typeof error.code === "string" && error.code.length === 5 && contentStates.test(error.code);
}
