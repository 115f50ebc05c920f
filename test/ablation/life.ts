import { AsyncLocalStorage } from "node:async_hooks";
import { type Clock, sleep, type Timer } from "../../src/base/clock.ts";

export type Death = "kill" | "deploy" | "poison" | "operator";

/** What Node's own `fetch` allows between a request and its answer, and between two pieces of a body, before it breaks the connection off. */
const fetchIdleMsMax = 300_000;

/**
 * One life of a process. After its death nothing that still executes in it gets through: its timers never fire, its calls never return, and what the outside
 * does is done.
 */
export class Life {
  readonly #clock: Clock;
  readonly #serve: (request: Request) => Promise<Response>;
  readonly #gone = new AbortController();
  readonly #death = Promise.withResolvers<Death>();
  readonly clock: Clock;

  constructor(clock: Clock, serve: (request: Request) => Promise<Response>) {
    this.#clock = clock;
    this.#serve = serve;
    this.clock = { now: () => clock.now(), monotonicMs: () => clock.monotonicMs(), setTimer: (delayMs, run) => this.#setTimer(delayMs, run) };
  }

  get isOver(): boolean {
    return this.#gone.signal.aborted;
  }

  /** Resolves when the life ends. */
  get death(): Promise<Death> {
    return this.#death.promise;
  }

  /** Ends the life here and now. `kill -9`. */
  end(death: Death): void {
    if (this.isOver) return;
    this.#death.resolve(death);
    this.#gone.abort(new TypeError("terminated"));
  }

  /** Settles as `promise` does while the process lives, else never. */
  orNever<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => (this.isOver ? undefined : resolve(value)),
        (error: unknown) => (this.isOver ? undefined : reject(error)),
      );
    });
  }

  pause(ms: number, signal?: AbortSignal): Promise<void> {
    return this.orNever(sleep(this.#clock, ms, signal));
  }

  /** Waits for an answer that never comes, as a tool does which calls a service with `fetch`. */
  async lostAnswer(signal?: AbortSignal): Promise<never> {
    await this.pause(fetchIdleMsMax, signal);
    throw new TypeError("fetch failed", { cause: new Error("Headers Timeout Error") });
  }

  /** `fetch` of this process. */
  readonly fetch = async (input: Request | URL | string, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const idle = new AbortController();
    const forwarded = new Request(request, { signal: AbortSignal.any([request.signal, idle.signal, this.#gone.signal]) });
    const response = await this.#beforeIdle(this.isOver ? never<Response>() : this.#serve(forwarded), idle);
    const reader = response.body?.getReader();
    if (reader === undefined) return response;
    const body = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const { done, value } = await this.#beforeIdle(reader.read(), idle);
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: (reason) => reader.cancel(reason),
      },
      { highWaterMark: 0 },
    );
    return new Response(body, { status: response.status, headers: response.headers });
  };

  async #beforeIdle<T>(promise: Promise<T>, idle: AbortController): Promise<T> {
    const timer = this.#clock.setTimer(fetchIdleMsMax, () => idle.abort(new TypeError("fetch failed", { cause: Object.assign(new Error("Headers Timeout Error"), { code: "UND_ERR_HEADERS_TIMEOUT" }) })));
    try {
      return await this.orNever(promise);
    } finally {
      timer.cancel();
    }
  }

  #setTimer(delayMs: number, run: () => void): Timer {
    const bound = AsyncLocalStorage.bind(run);
    return this.#clock.setTimer(delayMs, () => (this.isOver ? undefined : bound()));
  }
}

function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}
