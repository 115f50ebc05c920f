import type { Client } from "pg";
import { sleep, type Clock } from "../base/clock.ts";
import { integerBetween, type Random } from "../base/random.ts";
import { isOfStandby } from "./postgres-failure.ts";
import { fromStoredText } from "./postgres-text.ts";

/** What processes of one schema tell each other: about something that they look up themselves, for a notice may be lost with a connection. */
export interface Listener {
  readonly onNotice: (text: string) => void;
  /** Nothing is missed from now on; what came before may have been: look at what is waited for. Told again after each loss of the connection. */
  readonly onListening: (run: RunListening) => void;
}

/** Runs a statement on the connection that listens, for what is to last as long as that, such as a lock. Rejects when it fails, and then the connection is made anew. */
export type RunListening = (sql: string) => Promise<void>;

export interface Listening {
  close(): void;
}

export interface NoticesOptions {
  /** A connection that nobody else uses. */
  readonly connect: () => Promise<Client>;
  readonly schema: string;
  readonly clock: Clock;
  readonly random: Random;
  /** The server lets go of a connection, and of what that holds, whose process has said nothing for so long: it was stopped. Default 2 min. */
  readonly silentMsMax?: number;
}

const retryMsMin = 20;
const retryMsMax = 5_000;
/** Nobody listens at a standby: it is asked more rarely, in the end, whether it has become the primary. */
const standbyRetryMsMax = 30_000;
/** A connection that breaks without a word is found after this long. */
const lookEveryMs = 30_000;
const silentMsDefault = 120_000;

/** One connection that listens for all of a process, made anew whenever it is lost. It is there while somebody listens. */
export class PostgresNotices {
  readonly #options: NoticesOptions;
  readonly #listeners = new Set<Listener & { readonly topic: string }>();
  #closing: AbortController | null = null;
  #running: Promise<void> = Promise.resolve();
  /** Null while it does not listen. */
  #runListening: RunListening | null = null;

  constructor(options: NoticesOptions) {
    this.#options = options;
  }

  listen(topic: string, listener: Listener): Listening {
    const added = { ...listener, topic };
    this.#listeners.add(added);
    if (this.#closing === null) {
      const closing = new AbortController();
      this.#closing = closing;
      this.#running = this.#running.then(() => this.#run(closing.signal));
    } else if (this.#runListening !== null) added.onListening(this.#runListening);
    return {
      close: () => {
        this.#listeners.delete(added);
        if (this.#listeners.size === 0) this.#stop();
      },
    };
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    this.#stop();
    await this.#running;
  }

  #stop(): void {
    this.#closing?.abort();
    this.#closing = null;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      let longestMs = retryMsMax;
      const hasListened = await this.#listenOnce(signal).catch((error: unknown) => {
        if (isOfStandby(error)) longestMs = standbyRetryMsMax;
        return false; // A server that is away is tried again.
      });
      failures = hasListened ? 0 : failures + 1;
      const delayMs = integerBetween(random, 1, Math.min(longestMs, retryMsMin * 2 ** Math.min(failures, 11)));
      await sleep(clock, delayMs, signal).catch(() => undefined); // Closed.
    }
  }

  /** Listens until the connection is lost. True when it was there, and did what it was to run. */
  async #listenOnce(signal: AbortSignal): Promise<boolean> {
    const { connect, schema, clock, silentMsMax = silentMsDefault } = this.#options;
    const client = await connect();
    const lost = new AbortController();
    const isOver = AbortSignal.any([signal, lost.signal]);
    client.on("error", () => lost.abort());
    client.on("end", () => lost.abort());
    client.on("notification", ({ payload = "" }) => this.#hand(payload));
    let hasFailed = false;
    try {
      await client.query(`SET idle_session_timeout = ${silentMsMax}`);
      await client.query(`LISTEN longhaul_${schema}`);
      const run: RunListening = async (sql) => {
        await client.query(sql).catch((error: unknown) => {
          hasFailed = true;
          lost.abort();
          throw error;
        });
      };
      this.#runListening = run;
      for (const { onListening } of this.#listeners) onListening(run);
      while (await sleep(clock, lookEveryMs, isOver).then(() => true, () => false)) await client.query("SELECT 1");
      return !hasFailed;
    } finally {
      this.#runListening = null;
      await client.end().catch(() => undefined); // It is lost already.
    }
  }

  #hand(payload: string): void {
    const space = payload.indexOf(" ");
    const topic = payload.slice(0, space);
    const text = fromStoredText(payload.slice(space + 1));
    for (const listener of this.#listeners) if (listener.topic === topic) listener.onNotice(text);
  }
}
