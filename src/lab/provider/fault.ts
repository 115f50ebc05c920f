import type { JsonObject } from "../../base/json.ts";
import type { Random } from "../../base/random.ts";
import type { SimulatedRequest } from "./simulated-request.ts";
import type { FailureReason } from "./wire-format.ts";

/** What goes wrong with one request. */
export type Fault =
  /** An error answer, with this provider's own body unless one is given. */
  | {
      readonly kind: "status";
      readonly status: number;
      /** The header as it is sent: seconds or an HTTP date. */
      readonly retryAfter?: string;
      /** `spend-limit`: the account is out of money, which both providers also answer with 429. */
      readonly reason?: FailureReason;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: JsonObject;
    }
  /** Silence until the client goes away; in the middle of a stream when `afterEvents` is given. */
  | { readonly kind: "hang"; readonly afterEvents?: number }
  /** The connection breaks after so many events; half-way through the body when the reply is not streamed. */
  | { readonly kind: "cut"; readonly afterEvents: number }
  /** Status 200 and no content. */
  | { readonly kind: "empty" }
  /** The whole answer comes so much later. */
  | { readonly kind: "latency"; readonly ms: number }
  /** The answer opens at once, but only keep-alives come for so long: of a stream its own, of a whole answer white space. */
  | { readonly kind: "keepAlive"; readonly ms: number }
  /** So long a wait before every event. */
  | { readonly kind: "slowChunks"; readonly ms: number };

/** Chooses the fault of a request, if any. */
export type FaultFunction = (request: SimulatedRequest, callNumber: number) => Fault | undefined;

/** Faults that strike by chance, reproducibly. */
export interface FaultPlan {
  /** Share of the requests that are struck, 0 to 1. */
  readonly ratio: number;
  /** One of these, all equally likely. */
  readonly among: readonly Fault[];
}

/** The fault of one request: what the plan says, else what the model's name asks for (`sim-429`, `sim-cut`). */
export function chooseFault(
  plan: FaultFunction | FaultPlan | undefined,
  request: SimulatedRequest,
  { callNumber, random }: { readonly callNumber: number; readonly random: Random },
): Fault | undefined {
  const planned = typeof plan === "function" ? plan(request, callNumber) : drawFault(plan, random);
  return planned ?? faultOfModel(request.model);
}

/** True when the client cannot have got the reply of the script. */
export function breaksReply(fault: Fault): boolean {
  return fault.kind === "status" || fault.kind === "hang" || fault.kind === "cut" || fault.kind === "empty";
}

const namedFaults: Readonly<Record<string, Fault>> = {
  "sim-hang": { kind: "hang" },
  "sim-cut": { kind: "cut", afterEvents: 3 },
  "sim-empty": { kind: "empty" },
  "sim-latency": { kind: "latency", ms: 5_000 },
  "sim-keep-alive": { kind: "keepAlive", ms: 60_000 },
  "sim-slow": { kind: "slowChunks", ms: 1_000 },
  "sim-quota": { kind: "status", status: 429, reason: "spend-limit" },
  "sim-429": { kind: "status", status: 429, reason: "rate-limit", retryAfter: "2" },
};

/** Model names that ask for a fault, and any other `sim-<status>` from 400 to 599. */
export const faultModelNames: readonly string[] = Object.keys(namedFaults);

function faultOfModel(model: string): Fault | undefined {
  const named = namedFaults[model];
  if (named) return named;
  const status = Number(/^sim-([45]\d\d)$/.exec(model)?.[1]);
  return Number.isNaN(status) ? undefined : { kind: "status", status };
}

function drawFault(plan: FaultPlan | undefined, random: Random): Fault | undefined {
  if (!plan) return undefined;
  const isStruck = random.next() < plan.ratio;
  return isStruck ? plan.among[Math.floor(random.next() * plan.among.length)] : undefined;
}
