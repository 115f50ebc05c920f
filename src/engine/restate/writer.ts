import { sleep, type Clock } from "../../base/clock.ts";
import { asBrokenStatement, isBrokenStatement, isOfServer, isPassing } from "../../db/postgres-failure.ts";
import type { PostgresDatabase, PostgresSession } from "../../db/postgres.ts";
import { isGuard, type Write } from "../../record/write.ts";
import type { ObserveTask } from "../engine.ts";
import type { EngineLimits } from "../limits.ts";
import { engineClosed } from "../refusal.ts";
import { noEffects, type Change, type Effects } from "./change.ts";
import { Together, type Joint } from "./together.ts";

export interface WriterOptions {
  readonly db: PostgresDatabase;
  readonly clock: Clock;
  readonly limits: EngineLimits;
  readonly apply: (db: PostgresSession, writes: readonly Write[]) => Promise<void>;
  readonly observe: ObserveTask;
  /** Tells other processes of the effects of a change, with its commit. */
  readonly tell: (db: PostgresSession, effects: Effects, atMs: number) => Promise<void>;
  /** Takes the effects of a change once it is committed. */
  readonly onCommitted: (effects: Effects) => void;
  /** Told of what people have to mend, since it does not pass by itself, each time that it is tried. */
  readonly onFault: (error: unknown) => void;
}

type Work<T> = (change: Change) => Promise<T>;

export interface PersistOptions {
  /**
   * For how long a statement is tried that PostgreSQL cannot do, until people mend it. `call`: some seconds, since whoever asks will ask again. `task`: `brokenStatementMs`, since
   * the task fails of it. `last`: without end, since nothing else can be done in its place. Default `call`.
   */
  readonly patience?: "call" | "task" | "last";
}

/** Between two tries while PostgreSQL does not take it. */
const retryMs = 1_000;
/** For how long a call tries a statement that PostgreSQL cannot do: a connection may lead elsewhere, a migration may be under way. */
const brokenCallMs = 4_000;

/** Makes changes, each one transaction. */
export class Writer {
  readonly #options: WriterOptions;
  readonly #closing = new AbortController();
  readonly #joints = new Map<unknown, unknown>();
  #pending = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  get isIdle(): boolean {
    return this.#pending === 0;
  }

  /** Rejects with what the work threw, with STORE_STATEMENT, or with why PostgreSQL did not take it for 30 s. The work finds what it did before, when a lost connection hid it. */
  async write<T>(work: Work<T>): Promise<T> {
    this.#pending++;
    try {
      let effects = noEffects();
      const value = await this.#options.db.transaction(
        async (tx) => {
          // An earlier try may have taken effect, its answer lost: whom it gave something to do is asked, in vain at worst.
          const { agents, hasCleared, dueAtMs } = effects;
          effects = { ...noEffects(), agents, hasCleared, dueAtMs };
          const last: Write[] = [];
          const done = await work(this.#changeOf(tx, effects, last));
          await this.#options.tell(tx, effects, this.#options.clock.now());
          // All at once: the store locks its rows in one order, and whoever writes records keeps others from it until the commit.
          if (last.length > 0) await this.#options.apply(tx, last);
          return done;
        },
        { idempotent: true },
      );
      this.#options.onCommitted(effects);
      return value;
    } catch (error) {
      throw asBrokenStatement(this.#options.db, error);
    } finally {
      this.#pending--;
    }
  }

  /**
   * Tries until PostgreSQL takes it: what keeps it from that, an outage or a mistake of those who look after it, delays the work and loses nothing. Rejects with what the work
   * itself threw, with STORE_STATEMENT when PostgreSQL cannot do it, for as long as `patience` says, and with ENGINE_CLOSED.
   */
  async persist<T>(work: Work<T>, { patience = "call" }: PersistOptions = {}): Promise<T> {
    const { clock, limits, onFault } = this.#options;
    const { signal } = this.#closing;
    const brokenMsMax = { call: brokenCallMs, task: limits.brokenStatementMs, last: Number.POSITIVE_INFINITY }[patience];
    let brokenSinceMs: number | null = null;
    this.#pending++;
    try {
      for (;;) {
        try {
          return await this.write(work);
        } catch (error) {
          if (!isOfServer(error)) throw error;
          if (!isPassing(error)) onFault(error);
          if (isBrokenStatement(error)) {
            brokenSinceMs ??= clock.monotonicMs();
            if (clock.monotonicMs() - brokenSinceMs >= brokenMsMax) throw error;
          }
        }
        await sleep(clock, retryMs, signal).catch(() => undefined); // Closed: see below.
        if (signal.aborted) throw engineClosed();
      }
    } finally {
      this.#pending--;
    }
  }

  /** With all others that ask for the same while one transaction is under way. Rejects as `alone` of it does. */
  async together<K, V>(joint: Joint<K, V>, item: K): Promise<V> {
    this.#pending++;
    try {
      const together = (this.#joints.get(joint) as Together<K, V> | undefined) ?? new Together((work) => this.write(work), this.#options.clock, joint);
      this.#joints.set(joint, together);
      return await together.do(item);
    } finally {
      this.#pending--;
    }
  }

  /** Reads what is committed. */
  async read<T>(query: (db: PostgresSession) => Promise<T>): Promise<T> {
    this.#pending++;
    try {
      return await query(this.#options.db);
    } catch (error) {
      throw asBrokenStatement(this.#options.db, error);
    } finally {
      this.#pending--;
    }
  }

  /** What waits for PostgreSQL to come back is given up. */
  close(): void {
    this.#closing.abort();
  }

  #changeOf(db: PostgresSession, effects: Effects, last: Write[]): Change {
    const { clock, limits, observe, apply } = this.#options;
    return {
      db, limits, observe, effects,
      atMs: clock.now(),
      locked: new Set(),
      write: async (writes) => {
        const guards = writes.filter(isGuard);
        last.push(...writes.filter((write) => !isGuard(write)));
        if (guards.length > 0) await apply(db, guards);
      },
    };
  }
}
