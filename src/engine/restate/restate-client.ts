import type { Clock } from "../../base/clock.ts";
import { withDeadline } from "../../base/deadline.ts";
import { LonghaulError, messageOf } from "../../base/error.ts";
import { joinUrl } from "../../base/join-url.ts";
import { placeName, serviceNames } from "./service-names.ts";

export interface RestateAddresses {
  /** Where invocations are begun: "http://127.0.0.1:8080". */
  readonly ingress: string;
  /** Where deployments are registered: "http://127.0.0.1:9070". */
  readonly admin: string;
}

/** How long Restate may take to answer. */
const answerMsMax = 30_000;
/** Of an answer that is quoted. */
const answerCharsMax = 500;
/** Of services that are named to people. */
const namedMax = 5;
/** Moved at once: the others have their turn the next time. */
const broughtMax = 1_000;

interface RegisteredService {
  readonly name: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

interface Question {
  readonly body?: string;
  /** Statuses that are no refusal. */
  readonly tolerated?: readonly number[];
  readonly signal?: AbortSignal;
  readonly idempotencyKey?: string;
}

/** What the engine asks of Restate over HTTP. Each call may be repeated. */
export class RestateClient {
  readonly #addresses: RestateAddresses;
  readonly #clock: Clock;
  /** The invocation that was brought last, while others are left: one that Restate refuses keeps those behind it for one turn only. */
  #broughtAfter = "";

  constructor(addresses: RestateAddresses, clock: Clock) {
    this.#addresses = addresses;
    this.#clock = clock;
  }

  /** Calls a handler of a virtual object, and waits for its end or for `signal`. Of calls with one idempotency key that are not over Restate has one. */
  async callObject(service: string, key: string, handler: string, options: { readonly signal: AbortSignal; readonly idempotencyKey?: string }): Promise<void> {
    await this.#ask(this.#at("ingress", `/${service}/${encodeURIComponent(key)}/${handler}`), "POST", options);
  }

  /** Calls a handler of a virtual object, and waits until Restate has accepted the call. */
  async sendObject(service: string, key: string, handler: string): Promise<void> {
    await this.#ask(this.#at("ingress", `/${service}/${encodeURIComponent(key)}/${handler}/send`), "POST");
  }

  /** Begins a workflow, unless Restate has one of this key, and waits until Restate has accepted that. */
  async sendWorkflow(service: string, key: string, handler: string, input: unknown): Promise<void> {
    await this.#ask(this.#at("ingress", `/${service}/${encodeURIComponent(key)}/${handler}/send`), "POST", { body: JSON.stringify(input) });
  }

  /** Calls a handler of a service, and waits for its end or for `signal`. Of calls with one idempotency key Restate has one. */
  async callService(service: string, handler: string, input: unknown, options: { readonly signal: AbortSignal; readonly idempotencyKey: string }): Promise<void> {
    await this.#ask(this.#at("ingress", `/${service}/${handler}`), "POST", { ...options, body: JSON.stringify(input) });
  }

  /** Wakes what awaits an awakeable. Nobody may await it any more. `value` is JSON. */
  async resolveAwakeable(id: string, value: string): Promise<void> {
    await this.#ask(this.#at("ingress", `/restate/awakeables/${encodeURIComponent(id)}/resolve`), "POST", { body: value, tolerated: [404] });
  }

  /**
   * Makes an address known under which Restate finds a team, and returns what tells the database of the workers there; null when they do not say. Registering what is known already
   * replaces it. @throws {OPTION_INVALID} when something else is there.
   */
  async register(uri: string, team: string): Promise<string | null> {
    const { services } = JSON.parse(await this.#ask(this.#at("admin", "/deployments"), "POST", { body: JSON.stringify({ uri, force: true }) })) as { readonly services: readonly RegisteredService[] };
    const runs = services.find(({ name }) => name === serviceNames(team).runs);
    if (runs !== undefined) return runs.metadata?.[placeName] ?? null;
    const names = services.map(({ name }) => name);
    throw new LonghaulError("OPTION_INVALID", `Restate finds ${names.slice(0, namedMax).join(", ")} at ${uri}, and no ${serviceNames(team).runs}: that is not where ${team} is. Give the address of this team's workers with --advertise.`);
  }

  /** Where it calls the services of a team; null when it does not know them. */
  async addressOf(team: string): Promise<string | null> {
    const service = await this.#ask(this.#at("admin", `/services/${encodeURIComponent(serviceNames(team).runs)}`), "GET", { tolerated: [404] });
    const id = textIn(service, "deployment_id");
    return id === null ? null : textIn(await this.#ask(this.#at("admin", `/deployments/${encodeURIComponent(id)}`), "GET", { tolerated: [404] }), "uri");
  }

  /**
   * What Restate tries in vain at an address where it called the team before, it tries at the present one from now on. An attempt that is under way there is left alone; what has
   * begun nowhere goes to the present one by itself. A call that is paused was so for this, by a process that ended before it resumed it: wherever that was, it goes on too.
   */
  async bringHere(team: string): Promise<void> {
    const names = Object.values(serviceNames(team)).map((name) => `'${name}'`).join(", ");
    const query = `SELECT i.id AS id, i.status AS status FROM sys_invocation i JOIN sys_service s ON s.name = i.target_service_name WHERE i.target_service_name IN (${names}) AND (i.status = 'paused' OR (i.status = 'backing-off' AND i.pinned_deployment_id <> s.deployment_id)) AND i.id > '${this.#broughtAfter}' ORDER BY i.id LIMIT ${broughtMax}`;
    const { rows } = JSON.parse(await this.#ask(this.#at("admin", "/query"), "POST", { body: JSON.stringify({ query }) })) as { readonly rows: readonly { readonly id: string; readonly status: string }[] };
    for (const { id, status } of rows) {
      this.#broughtAfter = id;
      const invocation = this.#at("admin", `/invocations/${encodeURIComponent(id)}`);
      if (status !== "paused") await this.#ask(`${invocation}/pause`, "PATCH", { tolerated: [404, 409] });
      await this.#ask(`${invocation}/resume?deployment=latest`, "PATCH", { tolerated: [404, 409] });
    }
    if (rows.length < broughtMax) this.#broughtAfter = "";
  }

  #at(door: keyof RestateAddresses, path: string): string {
    return joinUrl(this.#addresses[door], path);
  }

  async #ask(url: string, method: "GET" | "POST" | "PATCH", { body, tolerated = [], signal: stopped, idempotencyKey }: Question = {}): Promise<string> {
    const { origin } = new URL(url);
    const silent = (): LonghaulError => new LonghaulError("ENGINE_UNREACHABLE", `Restate at ${origin} did not answer within ${answerMsMax} ms. Check that it runs and is not overloaded.`, { retry: "backoff" });
    const { response, answer } = await withDeadline({ clock: this.#clock, timeoutMs: answerMsMax, onTimeout: silent, signal: stopped }, async (signal) => {
      const headers = { ...(body === undefined ? {} : { "content-type": "application/json", accept: "application/json" }), ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }) };
      const request = { method, signal, headers, ...(body === undefined ? {} : { body }) };
      // A connection that was kept open may have been closed at this very moment: once more, on a new one. Every call may be repeated.
      const received = await fetch(url, request).catch(() => fetch(url, request)).catch((error: unknown) => {
        throw new LonghaulError("ENGINE_UNREACHABLE", `Restate does not answer at ${origin}: ${messageOf(error)}. Check that it runs and that the address is right.`, { retry: "backoff", cause: error });
      });
      return { response: received, answer: await received.text() };
    });
    if (response.ok || tolerated.includes(response.status)) return answer;
    throw new LonghaulError("ENGINE_UNREACHABLE", `Restate refused ${method} ${url} with ${response.status}: ${reasonIn(answer).slice(0, answerCharsMax)}`, { retry: "backoff" });
  }
}

/** What Restate says to people, without the codes before it; all that it says when that is not told apart. */
function reasonIn(answer: string): string {
  try {
    return textIn(answer, "message")?.replace(/^(\[\w+\] )+/, "") ?? answer;
  } catch {
    return answer; // No JSON: somebody before Restate speaks.
  }
}

/** A text of an answer in JSON; null when it has none of this name. */
function textIn(answer: string, name: string): string | null {
  const value = (JSON.parse(answer) as Readonly<Record<string, unknown>>)[name];
  return typeof value === "string" ? value : null;
}
