import type { Random } from "../../base/random.ts";
import type { Fault } from "./fault.ts";
import { faultNamed } from "./named-fault.ts";
import type { SimulatedRequest } from "./simulated-request.ts";

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
  return planned ?? (request.model.startsWith("sim-") ? faultNamed(request.model.slice("sim-".length)) : undefined);
}

function drawFault(plan: FaultPlan | undefined, random: Random): Fault | undefined {
  if (!plan) return undefined;
  const isStruck = random.next() < plan.ratio;
  return isStruck ? plan.among[Math.floor(random.next() * plan.among.length)] : undefined;
}
