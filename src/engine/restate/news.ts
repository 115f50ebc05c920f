import { sleep, type Clock, type Timer } from "../../base/clock.ts";
import type { Listening } from "../../db/postgres-notices.ts";
import type { PostgresDatabase } from "../../db/postgres.ts";
import { getStates, type StoredTask } from "./tasks.ts";
import { any, dueTopic, endedTopic, workTopic } from "./tell-others.ts";
import type { Writer } from "./writer.ts";

const retryMs = 1_000;

export interface NewsOptions {
  readonly writer: Writer;
  readonly clock: Clock;
  /** The tasks whose end matters here. */
  readonly watched: () => ReadonlySet<string>;
  /** How such a task stands, after something happened to it; its input is left out. */
  readonly onTask: (task: StoredTask) => void;
  /** Something falls due at this instant. */
  readonly onDue: (atMs: number) => void;
  /** A process that speaks to nobody but PostgreSQL left something to do. */
  readonly onWork: () => void;
  readonly onFault: (error: unknown) => void;
  /** How often it is looked for what was not heard; null: never. */
  readonly sweepMs: number | null;
}

/**
 * What other processes do to tasks that are waited for, or executed, here. A notice says where to look; what is true is read. A notice that is lost with a connection
 * is made up when it is there again, and by a look at all of these tasks now and then.
 */
export class News {
  readonly #options: NewsOptions;
  readonly #noted = new Set<string>();
  readonly #closing = new AbortController();
  #listening: readonly Listening[] = [];
  #isLooking = false;
  #sweeper: Timer | null = null;

  constructor(options: NewsOptions) {
    this.#options = options;
  }

  get isIdle(): boolean {
    return !this.#isLooking;
  }

  listen(db: PostgresDatabase): void {
    if (this.#listening.length > 0 || this.#closing.signal.aborted) return;
    const { watched, onDue, onWork } = this.#options;
    this.#listening = [
      db.listen(endedTopic, { onNotice: (id) => this.#hear(id), onListening: () => this.#note(watched()) }),
      db.listen(dueTopic, { onNotice: (atMs) => onDue(Number(atMs)), onListening: () => undefined }),
      db.listen(workTopic, { onNotice: onWork, onListening: () => undefined }),
    ];
    this.watch();
  }

  /** Looks now and then at what is watched, and asks nobody while that is nothing. */
  watch(): void {
    if (this.#sweeper === null && !this.#closing.signal.aborted) this.#sweepLater();
  }

  close(): void {
    this.#closing.abort();
    this.#sweeper?.cancel();
    for (const listening of this.#listening) listening.close();
  }

  #sweepLater(): void {
    const { clock, sweepMs, watched } = this.#options;
    if (sweepMs === null) return;
    this.#sweeper = clock.setTimer(sweepMs, () => {
      this.#note(watched());
      this.#sweepLater();
    });
  }

  #hear(id: string): void {
    const watched = this.#options.watched();
    if (id === any) this.#note(watched);
    else if (watched.has(id)) this.#note([id]);
  }

  #note(ids: Iterable<string>): void {
    for (const id of ids) this.#noted.add(id);
    if (this.#noted.size > 0 && !this.#isLooking) void this.#look();
  }

  async #look(): Promise<void> {
    const { writer, clock, onTask, onFault } = this.#options;
    const { signal } = this.#closing;
    this.#isLooking = true;
    while (this.#noted.size > 0 && !signal.aborted) {
      const ids = [...this.#noted];
      this.#noted.clear();
      try {
        for (const task of await writer.read((db) => getStates(db, ids))) onTask(task);
      } catch (error) {
        if (signal.aborted) break;
        for (const id of ids) this.#noted.add(id);
        onFault(error);
        await sleep(clock, retryMs, signal).catch(() => undefined); // Closed.
      }
    }
    this.#isLooking = false;
  }
}
