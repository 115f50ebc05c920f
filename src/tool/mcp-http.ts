/** A message over this size is not read to its end: it could exhaust the memory of the process. */
export const messageBytesMax = 10 * 1024 * 1024;

/** The request left no trace at the server: there was nobody to connect to. */
const unreachedCodes: readonly string[] = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"];

type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** Of an answer that says that something is wrong, so much is read: it may be a page, or without end. */
const refusalBytesMax = 65_536;

/**
 * A fetch of which no answer fills the memory. An answer to POST, or one event of a stream, of more than `bytesMax` ends with `onTooLarge` and an error; a
 * stream that lives on is counted from event to event. What stands in an answer that is not OK is cut.
 */
export function boundedFetch({ bytesMax, onTooLarge, fetch = globalThis.fetch }: { readonly bytesMax: number; readonly onTooLarge: () => void; readonly fetch?: Fetch }): Fetch {
  return async (url, init) => {
    const response = await fetch(url, init);
    if (response.body === null) return response;
    if (!response.ok) return withBody(response, response.body.pipeThrough(cutAfter(refusalBytesMax)));
    const count = init?.method === "POST" ? countAll : countSinceEvent();
    let bytes = 0;
    const counter = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes = count(bytes, chunk);
        if (bytes <= bytesMax) controller.enqueue(chunk);
        else {
          controller.error(new Error(`an answer of more than ${bytesMax} bytes`));
          onTooLarge();
        }
      },
    });
    return withBody(response, response.body.pipeThrough(counter));
  };
}

type Count = (bytes: number, chunk: Uint8Array) => number;

const countAll: Count = (bytes, chunk) => bytes + chunk.byteLength;

/** Bytes since the last empty line, which ends an event. */
function countSinceEvent(): Count {
  let endsLine = false;
  return (bytes, chunk) => {
    const view = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const last = Math.max(view.lastIndexOf("\n\n"), view.lastIndexOf("\n\r\n"), view.lastIndexOf("\r\r"));
    const beginsEmpty = endsLine && /^\r?\n|^\r/.test(view.subarray(0, 2).toString("latin1"));
    endsLine = view.at(-1) === 10 || view.at(-1) === 13;
    return last === -1 ? (beginsEmpty ? 0 : bytes) + view.length : view.length - last;
  };
}

function cutAfter(bytesMax: number): TransformStream<Uint8Array, Uint8Array> {
  let left = bytesMax;
  return new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(chunk.subarray(0, left));
      left -= chunk.byteLength;
      if (left <= 0) controller.terminate();
    },
  });
}

function withBody({ status, statusText, headers }: Response, body: ReadableStream<Uint8Array>): Response {
  return new Response(body, { status, statusText, headers });
}

/** Why there was nobody to send a request to; null when there may have been somebody. */
export function networkCode(thrown: unknown): string | null {
  for (let error: unknown = thrown; error instanceof Error; error = error.cause) {
    if ("code" in error && typeof error.code === "string" && unreachedCodes.includes(error.code)) return error.code;
  }
  return null;
}
