import { AsyncLocalStorage } from "node:async_hooks";
import { constants, type ServerHttp2Stream } from "node:http2";

export interface IntakeLimits {
  /** Bytes that one call may send, from its first to its last. Over it: the call is cut off. Default 256 MB: Restate sends what the steps of a run came to, at most `journalBytesPerRunMax` and as much again of what undoes it, and a little of each step. */
  readonly callBytesMax?: number;
  /** Bytes that all calls may have sent that have not begun, since Restate's SDK keeps a call in memory until it is whole. Over it: the call that sends more is cut off, and Restate tries it again. Default 256 MB. */
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
  #unbegunBytes = 0;

  constructor({ callBytesMax = 256_000_000, unbegunBytesMax = 256_000_000, onFault }: IntakeOptions) {
    this.#callBytesMax = callBytesMax;
    this.#unbegunBytesMax = unbegunBytesMax;
    this.#onFault = onFault;
  }

  /** Lets a call be answered that comes on this stream. */
  serve(stream: ServerHttp2Stream, answer: () => void): void {
    let bytes = 0;
    let unbegunBytes: number | null = 0;
    const release = (): void => {
      this.#unbegunBytes -= unbegunBytes ?? 0;
      unbegunBytes = null;
    };
    // First, so that the stream flows as its reader likes, and not by this listener.
    current.run({ release }, answer);
    stream.on("data", (chunk: Uint8Array) => {
      bytes += chunk.length;
      if (unbegunBytes !== null) {
        unbegunBytes += chunk.length;
        this.#unbegunBytes += chunk.length;
      }
      if (bytes > this.#callBytesMax) this.#cutOff(stream, `A call sent more than ${this.#callBytesMax} bytes`);
      else if (unbegunBytes !== null && this.#unbegunBytes > this.#unbegunBytesMax) this.#cutOff(stream, `Calls that have not begun sent more than ${this.#unbegunBytesMax} bytes`);
    });
    stream.on("close", release);
  }

  #cutOff(stream: ServerHttp2Stream, what: string): void {
    stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    this.#onFault(new Error(`${what} to this worker, and one was cut off; of Restate's, it is tried again. See who calls: nobody but Restate, or a balancer, may, and with --identity-key everybody else is refused.`));
  }
}

interface CallIntake {
  /** Its bytes count no more. */
  release(): void;
}
