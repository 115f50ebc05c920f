import { LonghaulError, messageOf } from "../../base/error.ts";

export interface RestateAddresses {
  /** Where invocations are begun: "http://127.0.0.1:8080". */
  readonly ingress: string;
  /** Where deployments are registered: "http://127.0.0.1:9070". */
  readonly admin: string;
}

/** How long Restate may take to answer. */
const answerMsMax = 30_000;

/** What the engine asks of Restate over HTTP. Each call may be repeated. */
export class RestateClient {
  readonly #addresses: RestateAddresses;

  constructor(addresses: RestateAddresses) {
    this.#addresses = addresses;
  }

  /** Calls a handler of a virtual object, and waits for its end. */
  async callObject(service: string, key: string, handler: string): Promise<void> {
    await this.#ask(`${this.#addresses.ingress}/${service}/${encodeURIComponent(key)}/${handler}`, "POST");
  }

  /** Wakes what awaits an awakeable. Nobody may await it any more. `value` is JSON. */
  async resolveAwakeable(id: string, value: string): Promise<void> {
    await this.#ask(`${this.#addresses.ingress}/restate/awakeables/${encodeURIComponent(id)}/resolve`, "POST", value, [404]);
  }

  /** Makes an address known under which Restate finds this code. Registering what is known already replaces it. */
  async register(uri: string): Promise<void> {
    await this.#ask(`${this.#addresses.admin}/deployments`, "POST", JSON.stringify({ uri, force: true }));
  }

  async #ask(url: string, method: string, body?: string, tolerated: readonly number[] = []): Promise<void> {
    let response: Response;
    try {
      response = await fetch(url, {
        method,
        signal: AbortSignal.timeout(answerMsMax),
        ...(body === undefined ? {} : { body, headers: { "content-type": "application/json" } }),
      });
    } catch (error) {
      throw new LonghaulError("ENGINE_UNREACHABLE", `Restate does not answer at ${new URL(url).origin}: ${messageOf(error)}. Check that it runs and that the address is right.`, { retry: "backoff", cause: error });
    }
    const answer = await response.text();
    if (response.ok || tolerated.includes(response.status)) return;
    throw new LonghaulError("ENGINE_UNREACHABLE", `Restate refused ${method} ${url} with ${response.status}: ${answer.slice(0, 500)}`, { retry: "backoff" });
  }
}
