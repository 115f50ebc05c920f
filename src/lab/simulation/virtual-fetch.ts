import type { Refuse } from "../../base/ambient/refuse-real-world.ts";
import type { HostHandler } from "./world.ts";

/** A `fetch` that knows the hosts of a world and no others. It rejects with the signal's reason as soon as that aborts, whatever the handler does. */
export function createVirtualFetch(hostsOf: () => Readonly<Record<string, HostHandler>>, refuse: Refuse): typeof globalThis.fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    request.signal.throwIfAborted();
    const { host, hostname, origin } = new URL(request.url);
    const hosts = hostsOf();
    const handler = hosts[host] ?? hosts[hostname];
    if (handler === undefined) throw refuse(`fetch ${request.method} ${origin}`);
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => reject(request.signal.reason);
    request.signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([handler(request), aborted]);
    } finally {
      request.signal.removeEventListener("abort", onAbort);
    }
  };
}
