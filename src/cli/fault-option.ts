import { type Random, seededRandom } from "../base/random.ts";
import { type Fault, type FaultFunction, faultNamed, faultNames } from "../lab/provider/index.ts";
import { usageError } from "./failure-report.ts";

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
  const fault = faultNamed(name);
  if (fault === undefined || !(ratio > 0 && ratio <= 1)) {
    throw usageError(`--fault is ${JSON.stringify(text)}. Use a status from 400 to 599, or ${faultNames.join(", ")}; a share of the requests may follow, as in 529:0.1.`);
  }
  return { fault, ratio };
}
