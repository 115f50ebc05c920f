import type { Http2ServerRequest, Http2ServerResponse, ServerHttp2Stream } from "node:http2";
import { onNextTurn } from "../../base/turn.ts";

/**
 * Lets Restate's SDK read a call from its stream and write to it. It reads an async iterable and writes one message at a time; through Node's layer of compatibility with
 * HTTP/1 both are a good part of what a step costs. All else of request and response is as it was.
 */
export function attachStream(request: Http2ServerRequest, response: Http2ServerResponse): void {
  const { stream } = request;
  const output = new Output(stream);
  const write = response.write.bind(response) as (message: Uint8Array, encoding: BufferEncoding, done: () => void) => boolean;
  const end = response.end.bind(response) as (done: () => void) => Http2ServerResponse;
  Object.assign(request, { [Symbol.asyncIterator]: () => new Input(stream) });
  Object.assign(response, {
    write: (message: Uint8Array, done: () => void): boolean => output.write(message, done) || write(message, "utf8", done),
    end(done: () => void): Http2ServerResponse {
      output.flush();
      return end(done);
    },
  });
}

/** Chunks that wait to be read until the other side is told to send no more. */
const unreadMax = 64;

/** What comes on a stream, chunk by chunk. Of a call that was given up there is no more, as with Node's own iterator: that it was, the request tells. */
class Input implements AsyncIterator<Uint8Array, undefined> {
  readonly #stream: ServerHttp2Stream;
  readonly #unread: Uint8Array[] = [];
  #isOver = false;
  #reader: PromiseWithResolvers<IteratorResult<Uint8Array, undefined>> | null = null;

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
    stream.on("data", (chunk: Uint8Array) => this.#take(chunk));
    stream.on("end", () => this.#finish());
    stream.on("close", () => this.#finish());
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const value = this.#unread.shift();
    if (value !== undefined) {
      if (this.#unread.length === 0) this.#stream.resume();
      return { done: false, value };
    }
    if (this.#isOver) return { done: true, value: undefined };
    this.#reader = Promise.withResolvers();
    return await this.#reader.promise;
  }

  #take(chunk: Uint8Array): void {
    const reader = this.#reader;
    this.#reader = null;
    if (reader !== null) reader.resolve({ done: false, value: chunk });
    else if (this.#unread.push(chunk) >= unreadMax) this.#stream.pause();
  }

  #finish(): void {
    this.#isOver = true;
    this.#reader?.resolve({ done: true, value: undefined });
    this.#reader = null;
  }
}

/**
 * What goes out. A step is two messages, that it begins and what it came to; of a short one the second comes in the turn after the first. So a message waits that long
 * for another one, and both are one frame: less work here and in Restate.
 */
class Output {
  readonly #stream: ServerHttp2Stream;
  #held: Uint8Array | null = null;

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
  }

  /** Calls `done` when more may be written. False, and nothing is done, when the stream is over or the other side takes no more for now. */
  write(message: Uint8Array, done: () => void): boolean {
    const held = this.#held;
    if (!this.#isOpen() || this.#stream.writableLength >= this.#stream.writableHighWaterMark) {
      this.flush();
      return false;
    }
    if (held === null) this.#hold(message);
    else {
      this.#held = null;
      this.#stream.write(Buffer.concat([held, message]));
    }
    done();
    return true;
  }

  flush(): void {
    const held = this.#held;
    this.#held = null;
    if (held !== null && this.#isOpen()) this.#stream.write(held);
  }

  /** What the SDK had planned for the next turn is behind the first of these turns, and before the second one. */
  #hold(message: Uint8Array): void {
    this.#held = message;
    onNextTurn(() => {
      if (this.#held !== message) return;
      onNextTurn(() => {
        if (this.#held === message) this.flush();
      });
    });
  }

  #isOpen(): boolean {
    return !this.#stream.destroyed && !this.#stream.writableEnded;
  }
}
