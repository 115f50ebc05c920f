import { type Random, seededRandom } from "../base/random.ts";
import type { Fault, FaultFunction } from "../lab/provider/index.ts";
import { usageError } from "./failure-report.ts";

/** What `--fault` takes, besides any status from 400 to 599. */
const faultNames = ["hang", "cut", "empty", "quota"] as const;

export interface FaultOptions {
  /** As typed: "529", "hang", "429:0.2". */
  readonly faults: readonly string[];
  readonly latencyMs: number;
  readonly seed: string;
}

interface ChancedFault {
  readonly fault: Fault;
  readonly ratio: number;
}

/**
 * The faults of `longhaul fake-provider`: each strikes its share of the requests (all, when none is given); the others come late by the latency.
 * @throws {CLI_USAGE}
 */
export function toFaultFunction({ faults, latencyMs, seed }: FaultOptions): FaultFunction {
  const chanced = faults.map(parseFault);
  const random: Random = seededRandom(seed).split("faults");
  return () => {
    const struck = chanced.find(({ ratio }) => random.next() < ratio)?.fault;
    return struck ?? (latencyMs > 0 ? { kind: "latency", ms: latencyMs } : undefined);
  };
}

function parseFault(text: string): ChancedFault {
  const [name = "", share] = text.split(":");
  const ratio = share === undefined ? 1 : Number(share);
  const fault = toFault(name);
  if (fault === null || !(ratio > 0 && ratio <= 1)) {
    throw usageError(`--fault is ${JSON.stringify(text)}. Use a status from 400 to 599, or ${faultNames.join(", ")}; a share of the requests may follow, as in 529:0.1.`);
  }
  return { fault, ratio };
}

function toFault(name: string): Fault | null {
  switch (name) {
    case "hang":
    case "empty":
      return { kind: name };
    case "cut":
      return { kind: "cut", afterEvents: 3 };
    case "quota":
      return { kind: "status", status: 429, reason: "spend-limit" };
    case "429":
      return { kind: "status", status: 429, reason: "rate-limit", retryAfter: "2" };
    default:
      return /^[45]\d\d$/.test(name) ? { kind: "status", status: Number(name) } : null;
  }
}
