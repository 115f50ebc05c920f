import { type Clock, sleep, systemClock } from "../../base/clock.ts";
import { LonghaulError, messageOf } from "../../base/error.ts";
import { hashOf, type JsonObject } from "../../base/json.ts";
import { type Random, seededRandom } from "../../base/random.ts";
import { defaultScript } from "./default-script.ts";
import { Exchange } from "./exchange.ts";
import { alterRendered, alterRequest, alterScripted, alterSettled } from "./altered-reply.ts";
import { chooseFault, type FaultFunction, type FaultPlan } from "./choose-fault.ts";
import type { Alteration, Fault } from "./fault.ts";
import { renderModel, renderModelList } from "./model-list.ts";
import { networkError } from "./network-failure.ts";
import { ProviderError } from "./provider-error.ts";
import { type ProviderLimits, RateWindow } from "./rate-window.ts";
import type { Receipt } from "./receipt.ts";
import { type BodyStep, createBody, planWhole, untilAborted } from "./reply-body.ts";
import { readJsonBody } from "./request-body.ts";
import { createRouter, familyOf, type Route } from "./route.ts";
import { estimateInputTokens, settleReply, type SettledReply } from "./settled-reply.ts";
import type { Script } from "./simulated-reply.ts";
import type { SimulatedRequest } from "./simulated-request.ts";
import { stateWait } from "./stated-wait.ts";
import { planStream } from "./stream-plan.ts";
import type { ProviderFamily, RateLimit, WireFormat } from "./wire-format.ts";

/** Options of `createProviderSimulator`. */
export interface ProviderSimulatorOptions {
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** The simulated model. Default: `defaultScript`. */
  readonly script?: Script;
  /** The same seed and the same requests give the same answers, byte for byte. Default: 1. */
  readonly seed?: number | string;
  /** Replaces the chance made from `seed`. */
  readonly random?: Random;
  readonly faults?: FaultFunction | FaultPlan;
  /** What each key may ask for in a minute of the clock; more is answered with 429. Default: limits that are reported and not enforced. */
  readonly limits?: ProviderLimits;
  /** Called with each receipt as it is written. What it throws breaks the answer, so that no call goes uncounted. */
  readonly onReceipt?: (receipt: Receipt) => void;
  /** Receipts held in memory; older ones are forgotten. Default: 100,000. */
  readonly receiptsMax?: number;
}

/** Model providers, simulated: a request handler and what it served. */
export interface ProviderSimulator {
  /** Serves one request in process. Fits wherever a client takes a `fetch`. */
  readonly fetch: (input: Request | URL | string, init?: RequestInit) => Promise<Response>;
  /** What became of the requests that have ended, in order of their end. */
  receipts(): readonly Receipt[];
  /** Breaks off what is under way and refuses what comes later. */
  close(): void;
}

const receiptsMaxDefault = 100_000;

/**
 * Simulates the model providers: Anthropic Messages, OpenAI Responses and Chat Completions. Any key and any model name is accepted.
 * @throws {OPTION_INVALID} for a fault plan whose ratio is not from 0 to 1, or that has no faults.
 */
export function createProviderSimulator(options: ProviderSimulatorOptions = {}): ProviderSimulator {
  assertFaultPlan(options.faults);
  return new LiveProviderSimulator(options);
}

class LiveProviderSimulator implements ProviderSimulator {
  readonly #options: ProviderSimulatorOptions;
  readonly #clock: Clock;
  readonly #script: Script;
  readonly #random: Random;
  readonly #route = createRouter();
  readonly #rates = new Map<string, RateWindow>();
  readonly #underWay = new Set<Exchange>();
  readonly #receipts: Receipt[] = [];
  #requestCount = 0;
  #callCount = 0;
  #isClosed = false;

  constructor(options: ProviderSimulatorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#script = options.script ?? defaultScript;
    this.#random = options.random ?? seededRandom(options.seed ?? 1);
  }

  readonly fetch = async (input: Request | URL | string, init?: RequestInit): Promise<Response> => {
    if (this.#isClosed) throw connectionRefused();
    const request = input instanceof Request && init === undefined ? input : new Request(input, init);
    const exchange = this.#open(request, input);
    try {
      return await this.#serve(request, exchange);
    } catch (error) {
      exchange.signal.throwIfAborted();
      if (exchange.isUnanswered) throw error;
      return this.#refuse(request, exchange, toProviderError(error));
    }
  };

  receipts(): readonly Receipt[] {
    return [...this.#receipts];
  }

  close(): void {
    this.#isClosed = true;
    for (const exchange of this.#underWay) exchange.abort(connectionRefused());
  }

  #open(request: Request, madeFrom: unknown): Exchange {
    const rate = this.#rateOf(request);
    const exchange: Exchange = new Exchange({
      rate,
      number: ++this.#requestCount,
      atMs: this.#clock.now(),
      path: new URL(request.url).pathname,
      idempotencyKey: request.headers.get("idempotency-key"),
      request,
      madeFrom,
      onReceipt: (receipt) => {
        this.#underWay.delete(exchange);
        this.#write(receipt);
      },
    });
    this.#underWay.add(exchange);
    rate.countRequest(this.#clock.now());
    return exchange;
  }

  #rateOf({ headers }: Request): RateWindow {
    const key = headers.get("x-api-key") ?? headers.get("authorization") ?? "";
    let rate = this.#rates.get(key);
    if (rate === undefined) {
      rate = new RateWindow(this.#options.limits);
      this.#rates.set(key, rate);
    }
    return rate;
  }

  async #serve(request: Request, exchange: Exchange): Promise<Response> {
    exchange.signal.throwIfAborted();
    const route = this.#route(request);
    route.family.assertCredentials(request.headers);
    if (route.kind === "models") return this.#answerJson(exchange, route.family, modelsOf(route));

    const { text, body } = await readJsonBody(request, route.family);
    exchange.isFor(route.format.wire, typeof body["model"] === "string" ? body["model"] : null);
    if (route.kind === "count-tokens") {
      // Counting needs no output limit, the only difference between the two requests.
      const counted = route.format.parseRequest({ max_tokens: 1, ...body }, request.headers);
      return this.#answerJson(exchange, route.family, { input_tokens: estimateInputTokens(counted) });
    }
    const parsed = route.format.parseRequest(body, request.headers);
    return this.#callModel(parsed, exchange, route.format, hashOf(text));
  }

  async #callModel(request: SimulatedRequest, exchange: Exchange, format: WireFormat, bodyHash: string): Promise<Response> {
    const callNumber = ++this.#callCount;
    const random = this.#random.split(`call-${callNumber}-${bodyHash}`);
    const fault = chooseFault(this.#options.faults, request, { callNumber, random: random.split("fault") });
    exchange.hasFault(fault);
    if (fault?.kind === "network") return exchange.failUnanswered(networkError(fault.failure));
    if (fault?.kind === "status") return this.#answerFault(exchange, format.family, fault);
    if (!exchange.rate.admits(this.#clock.now(), estimateInputTokens(request))) return this.#answerThrottled(exchange, format.family);
    if (fault?.kind === "streamError" && !request.stream) return this.#answerFault(exchange, format.family, { kind: "status", status: 500 });
    if (fault?.kind === "body") return this.#answer(exchange, format.family, [{ type: "send", text: fault.text }], { headers: contentTypeOf(fault.text) });
    if (fault?.kind === "hang" && fault.afterEvents === undefined) return untilAborted(exchange.signal);
    if (fault?.kind === "latency") await sleep(this.#clock, fault.ms, exchange.signal);

    const scripted = fault?.kind === "empty" ? { parts: [] } : await this.#script(request, { random: random.split("script"), callNumber });
    exchange.signal.throwIfAborted();
    const how = fault?.kind === "altered" ? fault.how : null;
    const reply = alterSettled(settleReply(request, alterScripted(scripted, how), { random: random.split("id"), createdAtMs: this.#clock.now() }), how);
    format.remember?.(request, reply);
    exchange.isBilled(reply.usage);
    exchange.rate.countTokens(reply.usage.inputTokens + reply.usage.outputTokens);
    return this.#answer(exchange, format.family, planReply(alterRequest(request, how), reply, format, fault), { isStream: request.stream });
  }

  #answerFault(exchange: Exchange, family: ProviderFamily, fault: Extract<Fault, { kind: "status" }>): Response {
    const { status, reason, wait, retryAfter } = fault;
    const limit = exchange.rate.limitAt(this.#clock.now(), status === 429);
    const stated = wait === undefined ? { headers: {}, limit, words: "" } : stateWait(wait, limit);
    const error = family.defaultError(status, reason);
    const body = fault.body ?? family.renderError(new ProviderError(status, `${error.message}${stated.words}`, error.fields), requestIdOf(exchange));
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const headers = { ...contentTypeOf(text), ...stated.headers, ...(retryAfter !== undefined && { "retry-after": retryAfter }), ...fault.headers };
    return this.#answer(exchange, family, planWhole(text, undefined), { status, headers, limit: stated.limit });
  }

  /** Anthropic says in seconds how long to wait, OpenAI only when the limits are reset. */
  #answerThrottled(exchange: Exchange, family: ProviderFamily): Response {
    const body = family.renderError(family.defaultError(429, "rate-limit"), requestIdOf(exchange));
    const nowMs = this.#clock.now();
    const waitS = Math.ceil((exchange.rate.limitAt(nowMs, true).resetAtMs - nowMs) / 1_000);
    return this.#answer(exchange, family, planWhole(JSON.stringify(body), undefined), { status: 429, outcome: "refused", ...(family.name === "anthropic" && { headers: { "retry-after": String(waitS) } }) });
  }

  #answerJson(exchange: Exchange, family: ProviderFamily, body: JsonObject): Response {
    return this.#answer(exchange, family, planWhole(JSON.stringify(body), undefined));
  }

  #refuse(request: Request, exchange: Exchange, error: ProviderError): Response {
    const family = familyOf(request);
    const body = family.renderError(error, requestIdOf(exchange));
    // Both official clients honour this header; a script that throws once will throw again.
    const headers = { "x-should-retry": "false" };
    return this.#answer(exchange, family, planWhole(JSON.stringify(body), undefined), { status: error.status, headers, outcome: "refused" });
  }

  #answer(exchange: Exchange, family: ProviderFamily, steps: readonly BodyStep[], options: AnswerOptions = {}): Response {
    const { status = 200, isStream = false, outcome = "completed" } = options;
    exchange.hasStatus(status);
    const clock = this.#clock;
    const body = createBody(steps, {
      clock,
      signal: exchange.signal,
      onEnd: (end) => exchange.settle(end === "whole" ? outcome : "fault"),
      onCancel: (reason) => exchange.abort(reason),
    });
    const headers = {
      "content-type": isStream ? "text/event-stream; charset=utf-8" : "application/json",
      "cache-control": "no-cache",
      "x-longhaul-simulated": "true",
      ...family.renderHeaders(requestIdOf(exchange), options.limit === undefined ? exchange.rate.limitAt(clock.now(), status === 429) : options.limit),
      ...options.headers,
    };
    return new Response(body, { status, headers });
  }

  #write(receipt: Receipt): void {
    this.#receipts.push(receipt);
    // Trimmed in lumps: taking one from the front of a long list for every request would cost more than the request.
    const max = this.#options.receiptsMax ?? receiptsMaxDefault;
    if (this.#receipts.length > max * 1.1) this.#receipts.splice(0, this.#receipts.length - max);
    this.#options.onReceipt?.(receipt);
  }
}

interface AnswerOptions {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly isStream?: boolean;
  /** What the headers say of the rate limit; null: nothing. Default: what is left of this minute. */
  readonly limit?: RateLimit | null;
  /** Of an answer that came whole. */
  readonly outcome?: "completed" | "refused";
}

function planReply(request: SimulatedRequest, reply: SettledReply, format: WireFormat, fault: Fault | undefined): readonly BodyStep[] {
  const how = fault?.kind === "altered" ? fault.how : null;
  if (!request.stream) return planWhole(JSON.stringify(alterRendered(format.renderReply(request, reply), how)), fault);
  const events = format.renderEvents(request, reply).map(({ name, data }) => ({ name, data: alterData(data, how) }));
  return planStream(events, fault, { wire: format.wire, keepAliveText: format.family.keepAliveText });
}

function alterData(data: string, how: Alteration | null): string {
  return how === null || data === "[DONE]" ? data : JSON.stringify(alterRendered(JSON.parse(data) as JsonObject, how));
}

/** Gateways answer with pages for people. */
function contentTypeOf(text: string): Readonly<Record<string, string>> {
  return text.startsWith("<") ? { "content-type": "text/html" } : {};
}

function modelsOf(route: Extract<Route, { kind: "models" }>): JsonObject {
  return route.modelId === null ? renderModelList(route.family) : renderModel(route.modelId, route.family);
}

function requestIdOf(exchange: Exchange): string {
  return `req_sim_${exchange.number}`;
}

function toProviderError(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  return new ProviderError(500, `The script of the provider simulator failed: ${messageOf(error)}`, { type: "api_error" });
}

/** What `fetch` reports when nobody listens. */
function connectionRefused(): TypeError {
  const cause = new LonghaulError("SIMULATOR_CLOSED", "The provider simulator is closed. Create another one.");
  return new TypeError("fetch failed", { cause });
}

function assertFaultPlan(plan: FaultFunction | FaultPlan | undefined): void {
  if (plan === undefined || typeof plan === "function") return;
  if (!(plan.ratio >= 0 && plan.ratio <= 1)) {
    throw new LonghaulError("OPTION_INVALID", `faults.ratio is ${plan.ratio}. Use a share of the requests, from 0 to 1.`);
  }
  if (plan.among.length === 0) throw new LonghaulError("OPTION_INVALID", "faults.among is empty. Name at least one fault.");
}
