/** A message over this size is not read to its end: it could exhaust the memory of the process. */
export const messageBytesMax = 10 * 1024 * 1024;

/** The request left no trace at the server: there was nobody to connect to. */
const unreachedCodes: readonly string[] = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"];

type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** A fetch whose answers to POST end with `onTooLarge` and an error once they pass `bytesMax`. Long-lived GET streams are not counted. */
export function boundedFetch({ bytesMax, onTooLarge, fetch = globalThis.fetch }: { readonly bytesMax: number; readonly onTooLarge: () => void; readonly fetch?: Fetch }): Fetch {
  return async (url, init) => {
    const response = await fetch(url, init);
    if (init?.method !== "POST" || !response.ok || response.body === null) return response;
    let bytes = 0;
    const counter = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.byteLength;
        if (bytes <= bytesMax) controller.enqueue(chunk);
        else {
          controller.error(new Error(`an answer of more than ${bytesMax} bytes`));
          onTooLarge();
        }
      },
    });
    return new Response(response.body.pipeThrough(counter), { status: response.status, statusText: response.statusText, headers: response.headers });
  };
}

/** Why there was nobody to send a request to; null when there may have been somebody. */
export function networkCode(thrown: unknown): string | null {
  for (let error: unknown = thrown; error instanceof Error; error = error.cause) {
    if ("code" in error && typeof error.code === "string" && unreachedCodes.includes(error.code)) return error.code;
  }
  return null;
}
