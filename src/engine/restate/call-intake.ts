import { AsyncLocalStorage } from "node:async_hooks";
import { constants, type ServerHttp2Stream } from "node:http2";

export interface IntakeLimits {
  /** Bytes that one call may send, from its first to its last. Over it: the call is cut off. Default 256 MB: Restate sends what the steps of a run came to, at most `journalBytesPerRunMax` and as much again of what undoes it, and a little of each step. */
  readonly callBytesMax?: number;
  /** Bytes that all calls may have sent that have not begun, since Restate's SDK keeps a call in memory until it is whole. Over it: the one that was silent for longest is cut off: hardly one that Restate is sending, and tried again if it is Restate's. Default 256 MB. */
  readonly unbegunBytesMax?: number;
}

interface IntakeOptions extends IntakeLimits {
  /** Told of each call that is cut off, in the same words. */
  readonly onFault: (error: unknown) => void;
}

const current = new AsyncLocalStorage<CallIntake>();

/** The call in whose name this is called has come as a whole, and begins. */
export function noteBegun(): void {
  current.getStore()?.release();
}

/** What calls have sent, and its limits: without an identity key anybody may call who reaches the port. */
export class Intake {
  readonly #callBytesMax: number;
  readonly #unbegunBytesMax: number;
  readonly #onFault: (error: unknown) => void;
  /** What each call has sent that has not begun, the one first that was silent for longest. */
  readonly #unbegun = new Map<ServerHttp2Stream, number>();
  #unbegunBytes = 0;

  constructor({ callBytesMax = 256_000_000, unbegunBytesMax = 256_000_000, onFault }: IntakeOptions) {
    this.#callBytesMax = callBytesMax;
    this.#unbegunBytesMax = unbegunBytesMax;
    this.#onFault = onFault;
  }

  /** Lets a call be answered that comes on this stream. */
  serve(stream: ServerHttp2Stream, answer: () => void): void {
    let bytes = 0;
    const release = (): void => this.#release(stream);
    this.#unbegun.set(stream, 0);
    stream.on("close", release);
    // First, so that the stream flows as its reader likes, and not by this listener.
    current.run({ release }, answer);
    stream.on("data", ({ length }: Uint8Array) => {
      bytes += length;
      if (bytes > this.#callBytesMax) this.#cutOff(stream, `A call sent more than ${this.#callBytesMax} bytes`);
      else this.#count(stream, length);
    });
  }

  #count(stream: ServerHttp2Stream, length: number): void {
    const before = this.#unbegun.get(stream);
    if (before === undefined) return;
    this.#unbegun.delete(stream);
    this.#unbegun.set(stream, before + length);
    this.#unbegunBytes += length;
    for (const silent of this.#unbegun.keys()) {
      if (this.#unbegunBytes <= this.#unbegunBytesMax) return;
      this.#cutOff(silent, `Calls that have not begun sent more than ${this.#unbegunBytesMax} bytes`);
    }
  }

  #cutOff(stream: ServerHttp2Stream, what: string): void {
    this.#release(stream);
    stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    this.#onFault(new Error(`${what} to this worker, and one was cut off; of Restate's, it is tried again. See who calls: nobody but Restate, or a balancer, may, and with --identity-key everybody else is refused.`));
  }

  #release(stream: ServerHttp2Stream): void {
    this.#unbegunBytes -= this.#unbegun.get(stream) ?? 0;
    this.#unbegun.delete(stream);
  }
}

interface CallIntake {
  /** Its bytes count no more. */
  release(): void;
}
