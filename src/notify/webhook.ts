import { createHmac } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/deadline.ts";
import { formatDuration } from "../base/duration.ts";
import { LonghaulError, messageOf, type RetryAdvice } from "../base/error.ts";
import type { JsonObject } from "../base/json.ts";
import type { Notification } from "../record/notification.ts";
import { headlineOf } from "./headline.ts";
import type { Notifier } from "./notify.ts";

const defaultTimeoutMs = 10_000;
/** A receiver may ask for a pause of at most a day; the message would be of no use after it. */
const retryAfterMsMax = 86_400_000;
/** Answers by which a receiver says that it takes others but not this message. */
const refusalsOfMessage: ReadonlySet<number> = new Set([400, 413, 415, 422]);
/** This much of a refusal is shown. */
const answerLengthMax = 300;

export interface WebhookSpec {
  /** Default: "webhook". */
  readonly name?: string;
  /** An http: or https: URL. Taken for a secret: messages show its host only. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Signs the body: `x-longhaul-signature: sha256=<hexadecimal HMAC-SHA256>`. */
  readonly secret?: string;
  /** From sending to the status of the answer. Default: 10 s. */
  readonly timeoutMs?: number;
}

export interface WebhookOptions {
  readonly clock: Clock;
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

/**
 * Posts a notification as JSON. `text` is one that Slack, Mattermost and their like show: headline and text together; the notification's own text is `details`.
 * `idempotency-key` is the notification's id. Redirects are not followed. Anything but a 2xx status throws.
 * @throws {OPTION_INVALID} when url or timeoutMs is not usable.
 */
export function webhookNotifier(spec: WebhookSpec, { clock, fetch = globalThis.fetch }: WebhookOptions): Notifier {
  const { name = "webhook", url, timeoutMs = defaultTimeoutMs } = spec;
  if (!URL.canParse(url) || !["http:", "https:"].includes(new URL(url).protocol)) {
    throw new LonghaulError("OPTION_INVALID", `url of notifier ${name} is not an http: or https: URL. Use the address that your receiver shows.`);
  }
  if (!Number.isFinite(timeoutMs) || timeoutMs <= 0) throw new LonghaulError("OPTION_INVALID", `timeoutMs of notifier ${name} is ${timeoutMs}. Use milliseconds above 0.`);
  const { host } = new URL(url);
  const failed = (what: string, remedy: string, more: { readonly retry?: RetryAdvice; readonly cause?: unknown; readonly details?: JsonObject } = {}): LonghaulError =>
    new LonghaulError("NOTIFY_FAILED", `Notifier ${name}: ${host} ${what}. ${remedy} The message is tried again.`, { retry: "backoff", ...more, details: { notifier: name, ...more.details } });

  return {
    name,
    async send(notification, signal) {
      const body = bodyOf(notification);
      const onTimeout = (): Error => failed(`did not answer within ${formatDuration(timeoutMs)}`, "Check that it runs.");
      await withDeadline({ clock, timeoutMs, onTimeout, signal }, async (inner) => {
        const response = await post(notification.id, body, inner).catch((error: unknown) => {
          throw failed(`could not be reached: ${causeOf(error)}`, "Check the url and that it runs.", { cause: error });
        });
        if (response.ok) return response.body?.cancel();
        const isMessageRefused = refusalsOfMessage.has(response.status);
        throw failed(`answered HTTP ${response.status}${await answerOf(response)}`, remedyOf(response.status), { retry: retryAdvice(response, clock), details: { isMessageRefused } });
      });
    },
  };

  function post(id: string, body: string, signal: AbortSignal): Promise<Response> {
    const signature = spec.secret === undefined ? {} : { "x-longhaul-signature": `sha256=${createHmac("sha256", spec.secret).update(body).digest("hex")}` };
    return fetch(url, { method: "POST", body, headers: { ...spec.headers, "content-type": "application/json", "idempotency-key": id, ...signature }, redirect: "manual", signal });
  }
}

function bodyOf(notification: Notification): string {
  return JSON.stringify({ ...notification, text: `${headlineOf(notification)}\n${notification.text}`, details: notification.text });
}

/** What the receiver asked for in Retry-After, seconds or date; else backoff. Never "never": a message to people is worth every try that its outbox has left. */
function retryAdvice(response: Response, clock: Clock): RetryAdvice {
  const asked = response.headers.get("retry-after");
  if (asked === null) return "backoff";
  const afterMs = /^\d+(\.\d+)?$/.test(asked.trim()) ? Number(asked) * 1000 : Date.parse(asked) - clock.now();
  return Number.isFinite(afterMs) ? { afterMs: Math.round(Math.min(Math.max(afterMs, 0), retryAfterMsMax)) } : "backoff";
}

function remedyOf(status: number): string {
  if (status >= 300 && status < 400) return "Redirects are not followed: use the final url.";
  if (status === 401 || status === 403 || status === 404 || status === 410) return "Check the url, the headers and that the webhook still exists.";
  return status === 429 ? "It asks for fewer messages: check how many are sent." : "Check the receiver's own log.";
}

async function answerOf(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const first = await reader?.read();
  await reader?.cancel();
  const text = first?.value === undefined ? "" : new TextDecoder().decode(first.value).replaceAll(/\s+/g, " ").trim().slice(0, answerLengthMax);
  return text === "" ? "" : ` (${text})`;
}

/** "connect ECONNREFUSED 127.0.0.1:9000" rather than "fetch failed". */
function causeOf(error: unknown): string {
  if (!(error instanceof Error) || !(error.cause instanceof Error)) return messageOf(error);
  const { cause } = error;
  return cause.message !== "" ? cause.message : "code" in cause ? String(cause.code) : error.message;
}
