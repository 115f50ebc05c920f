/** A message over this size is not read to its end: it could exhaust the memory of the process. */
export const messageBytesMax = 10 * 1024 * 1024;

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
