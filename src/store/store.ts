import type { Json, JsonObject } from "../base/json.ts";
import type { EventType, LogRecord } from "../record/log-record.ts";
import type { Message } from "../record/message.ts";
import type { Notification } from "../record/notification.ts";
import type { Write } from "../record/write.ts";

/**
 * The port of what the team shares beside its runs: records, transcripts, keys, the money and effect ledgers, progress, trigger state, the outbox, leases.
 * Invariants (each is a test of store.testsuite.ts):
 *  S1 a write is idempotent by its id;                      S2 a key belongs to one task until it expires;
 *  S3 reserved plus spent never passes a limit;             S4 an intent is made once, by compare-and-set;
 *  S5 records are append-only and come back in order;       S6 an outbox entry is delivered at least once or is visibly failed;
 *  S7 a lease has one holder, and a write that is guarded by an earlier one's is refused;
 *  S8 what is past its time is forgotten, and what it counted is not.
 */
export interface Store {
  /** Applies writes in one commit. */
  write(writes: readonly Write[]): Promise<void>;
  readonly records: RecordStore;
  readonly messages: MessageStore;
  readonly money: MoneyLedger;
  readonly effects: EffectLedger;
  readonly progress: ProgressStore;
  readonly triggers: TriggerStore;
  readonly outbox: Outbox;
  readonly leases: LeaseStore;
  readonly meta: MetaStore;
  readonly keys: KeyStore;
  /** Forgets what is past its time, at most about `rowsMax` rows, in one commit. Resolves to how many rows went; 0: nothing is due. */
  forget(before: ForgetBefore, rowsMax: number): Promise<number>;
  close(): Promise<void>;
}

export interface KeyStore {
  /** A key that this task holds, null when it holds none. Looks through all of them: for people. */
  heldBy(taskId: string): Promise<string | null>;
}

/** What is older is forgotten. */
export interface ForgetBefore {
  /** Records with the transcripts that only they name, delivered notifications, and what calls cost of tasks that are forgotten. The newest record stays; what records counted goes to the rollups. */
  readonly recordsMs: number;
  /** What agents used in an hour, and cost in a day. */
  readonly rollupsMs: number;
  /** Keys that have expired by then. */
  readonly keysMs: number;
}

/** Which records to read. */
export interface RecordFilter {
  readonly agent?: string;
  readonly taskId?: string;
  readonly runId?: string;
  readonly eventTypes?: readonly EventType[];
  readonly toolName?: string;
  readonly result?: string;
  readonly sinceMs?: number;
  readonly untilMs?: number;
  readonly durationMsMin?: number;
  /** Only records after this position of the log (exclusive). */
  readonly afterPosition?: number;
  /** At most this many. Default 100, at most 10,000. */
  readonly limit?: number;
  /** "newest" (default): the last `limit` records, returned oldest first. "oldest": the first `limit`. */
  readonly take?: "newest" | "oldest";
}

export interface StoredRecord {
  /** Place in the log, ascending. */
  readonly position: number;
  readonly record: LogRecord;
}

export interface RecordStore {
  query(filter: RecordFilter): Promise<readonly StoredRecord[]>;
  /** Totals per agent over the window: the operator's "token burn". */
  usageByAgent(window: { readonly sinceMs: number; readonly untilMs: number }): Promise<readonly AgentUsage[]>;
  /** All records in figures. Two stores of one kind that hold the same records in the same order have the same hash. */
  census(): Promise<RecordCensus>;
}

export interface RecordCensus {
  readonly records: number;
  /** How many of each event type and result, without what stands in brackets: "task done", "trigger ran", "model_call success". */
  readonly counts: Readonly<Record<string, number>>;
  /** Of every field of every record, in order. */
  readonly hash: string;
}

export interface AgentUsage {
  readonly agent: string;
  readonly modelCalls: number;
  readonly toolCalls: number;
  readonly toolErrors: number;
  readonly tokens: number;
  readonly costMicroUsd: number;
}

export interface MessageStore {
  /** The transcript that ends with this message, oldest first; empty when unknown. */
  transcript(headId: string): Promise<readonly Message[]>;
}

export interface Reservation {
  /** Of this attempt alone. */
  readonly id: string;
  readonly stepKey: string;
  readonly agent: string;
  readonly taskId: string;
  readonly atMs: number;
  /** Upper bound of what the call can cost. */
  readonly amountMicroUsd: number;
  readonly perTaskMicroUsd: number;
  readonly perDayMicroUsd: number;
}

export type ReserveAnswer =
  | { readonly ok: true }
  | {
      readonly ok: false; readonly limit: "task" | "day"; readonly limitMicroUsd: number; readonly usedMicroUsd: number;
      /** When the limit allows it again; null: only a higher limit does. */
      readonly resetsAtMs: number | null;
    };

export interface MoneyLedger {
  /**
   * Sets the amount aside, or says which limit refuses it. Open reservations of earlier attempts of the same step, and of a task that has left its slot, are
   * closed as lost, at their full amount: nobody knows whether they were billed. Days are UTC days.
   */
  reserve(reservation: Reservation): Promise<ReserveAnswer>;
  /** Gives an unused reservation back: the call was certainly not billed. */
  release(reservationId: string): Promise<void>;
  spent(filter: { readonly agent?: string; readonly taskId?: string; readonly sinceMs?: number }): Promise<{ readonly spentMicroUsd: number; readonly reservedMicroUsd: number; readonly tokens: number }>;
  /** What each of these tasks has spent from an instant on (inclusive, when it was reserved), in the order of the tasks; one query, however many there are. */
  spentByTask(tasks: readonly TaskSince[]): Promise<readonly TaskSpent[]>;
}

export interface TaskSince {
  readonly taskId: string;
  readonly sinceMs: number;
}

export interface TaskSpent {
  readonly spentMicroUsd: number;
  readonly tokens: number;
}

export type EffectState =
  | { readonly state: "intended-now" }
  /** An earlier attempt made the intent and its outcome is unknown. */
  | { readonly state: "unknown"; readonly intendedAtMs: number }
  /** Nobody knows whether there was an earlier attempt: the data was restored from a backup, and what happened after that is not in it. */
  | ({ readonly state: "restored" } & RestoredDoubt)
  | { readonly state: "completed"; readonly result: Json };

/** Why a call may have been made though the ledger does not have it. */
export interface RestoredDoubt {
  /** The newest commit of the backup; null: it had none. */
  readonly recoveryPointAtMs: number | null;
  /** Whether an earlier attempt would have had the same key. Where a model was asked again, its call has another one. */
  readonly isSameKey: boolean;
}

export interface EffectLedger {
  /**
   * Compare-and-set: makes the intent, or tells what is known of the earlier one. Durable before it resolves. `fence` is that of the attempt: where several processes write, one that
   * comes after a later attempt is refused. Where one process owns the file, its commits are checked for that. @throws {ENGINE_FENCED}
   */
  intend(effect: { readonly key: string; readonly fence: number; readonly toolName: string; readonly taskId: string; readonly runId: string; readonly atMs: number }): Promise<EffectState>;
  /** True when an attempt made the intent, whatever became of it. Makes none. */
  isIntended(key: string): Promise<boolean>;
  /** Withdraws an intent whose effect certainly did not happen, so that it may be attempted again. */
  withdraw(key: string): Promise<void>;
}

export interface AgentProgress {
  readonly agent: string;
  readonly count: number;
  readonly lastAtMs: number | null;
  readonly lastOutputHash: string | null;
  /** The id of the write that last moved the counter. */
  readonly lastId: string | null;
}

export interface ProgressStore {
  all(): Promise<readonly AgentProgress[]>;
}

export interface TriggerStore {
  all(): Promise<ReadonlyMap<string, JsonObject>>;
}

export interface OutboxEntry {
  readonly id: string;
  readonly notifier: string;
  readonly notification: Notification;
  readonly attempts: number;
  readonly nextAtMs: number;
  readonly expiresAtMs: number;
}

/** Entries that `due` gives at once. All that expired in one outage is to be among them: it is told together. */
export const outboxDueMax = 5_000;

export interface Outbox {
  /**
   * Entries that are due and are the first that waits for their notifier, and entries whose time is over; in the order in which they were queued, at most `outboxDueMax`.
   * One that waits for another attempt holds up those behind it.
   */
  due(nowMs: number): Promise<readonly OutboxEntry[]>;
  /** The next instant at which the first entry of a notifier is due, or the time of any entry is over; null when nothing waits. */
  nextAtMs(): Promise<number | null>;
  /** `guards` may refuse it, in the same commit. */
  delivered(id: string, atMs: number, guards?: readonly Write[]): Promise<void>;
  /** Keeps the entry for another attempt at `nextAtMs`, or gives it up for good when that is null. `guards` may refuse it, in the same commit. */
  failed(id: string, attempt: { readonly atMs: number; readonly error: string; readonly nextAtMs: number | null }, guards?: readonly Write[]): Promise<void>;
}

/** Who does what one process at a time does. Time is the store's own: the clocks of those who ask need not agree. */
export interface LeaseStore {
  /** Takes a lease that nobody holds, or that is the holder's already. */
  acquire(lease: LeaseRequest): Promise<LeaseGrant | LeaseHeld>;
  /** Holds it for `ttlMs` from now. False when it is over: another one took it, or it was released. */
  renew(lease: { readonly name: string; readonly epoch: number; readonly ttlMs: number }): Promise<boolean>;
  /** Gives it up, so that anybody may take it at once. Its epoch is over. */
  release(lease: { readonly name: string; readonly epoch: number }): Promise<void>;
}

export interface LeaseRequest {
  readonly name: string;
  /** Says for people who holds it; each process has one of its own. */
  readonly holder: string;
  readonly ttlMs: number;
}

/** The lease is the asker's until it expires. `epoch` goes up with each holder: the guard `lease` carries it. */
export interface LeaseGrant {
  readonly epoch: number;
  /** How long nobody held it; null when nobody ever did. */
  readonly vacantMs: number | null;
}

/** Another one has it, for so long at the least. */
export interface LeaseHeld {
  readonly epoch: null;
  readonly heldMs: number;
}

/** Small named values: the manifest of the last team, the format, the breakers. */
export interface MetaStore {
  get(name: string): Promise<Json>;
  set(name: string, value: Json): Promise<void>;
  /** Sets the value if it is still `before`, null for none, or is `after` already: of those who try to set different values at once one succeeds. */
  swap(name: string, before: Json, after: Json): Promise<boolean>;
  /** Those whose names begin so, in the order of their names. */
  list(prefix: string): Promise<readonly NamedValue[]>;
}

export interface NamedValue {
  readonly name: string;
  readonly value: Json;
}
