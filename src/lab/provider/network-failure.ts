/** How a request fails that gets no answer, by the code that Node's `fetch` has in the cause. */
export type NetworkFailure =
  | "ECONNREFUSED" | "ECONNRESET" | "ENOTFOUND" | "EAI_AGAIN" | "ETIMEDOUT" | "UND_ERR_CONNECT_TIMEOUT" | "UND_ERR_SOCKET" | "CERT_HAS_EXPIRED" | "DEPTH_ZERO_SELF_SIGNED_CERT";

const causes: Readonly<Record<NetworkFailure, string>> = {
  ECONNREFUSED: "connect ECONNREFUSED 192.0.2.1:443",
  ECONNRESET: "read ECONNRESET",
  ENOTFOUND: "getaddrinfo ENOTFOUND api.simulator.test",
  EAI_AGAIN: "getaddrinfo EAI_AGAIN api.simulator.test",
  ETIMEDOUT: "connect ETIMEDOUT 192.0.2.1:443",
  UND_ERR_CONNECT_TIMEOUT: "Connect Timeout Error (attempted address: api.simulator.test:443, timeout: 10000ms)",
  UND_ERR_SOCKET: "other side closed",
  CERT_HAS_EXPIRED: "certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "self-signed certificate",
};

/** What `fetch` rejects with. Over a socket of the simulator every one of them is a connection that is closed without an answer. */
export function networkError(code: NetworkFailure): TypeError {
  return new TypeError("fetch failed", { cause: Object.assign(new Error(causes[code]), { code }) });
}
