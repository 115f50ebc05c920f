import { InvalidArgumentError } from "commander";
import { totalmem } from "node:os";
import { parseBytes } from "../base/bytes.ts";
import { messageOf } from "../base/error.ts";
import { durationValue } from "./option-values.ts";
import { heartbeatMs } from "./supervisor/worker-message.ts";

/** A worker says that it lives once a second: less than a few of those is no sign of anything. */
const blockedAfterMsMin = 3 * heartbeatMs;
const memoryShare = 0.75;
const memoryBytesMaxDefault = 1_500_000_000;

/** How long an event loop may stand still. */
export function blockedAfterValue(text: string): number {
  const ms = durationValue(text);
  if (ms < blockedAfterMsMin) throw new InvalidArgumentError(`A busy machine keeps a process waiting that long. Use at least ${blockedAfterMsMin / 1_000}s.`);
  return ms;
}

export function bytesValue(text: string): number {
  try {
    return parseBytes(text, "It");
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}

/** Above what a worker is recycled unless told otherwise: three quarters of what its container, or the machine, has, and 1.5 GB at most. */
export function defaultMemoryMax(containerBytes: number | undefined = process.constrainedMemory(), machineBytes: number = totalmem()): number {
  // Where a container has no limit, the system names 0 or more than the machine has.
  const limit = containerBytes !== undefined && containerBytes > 0 ? Math.min(containerBytes, machineBytes) : machineBytes;
  return Math.min(Math.round(memoryShare * limit), memoryBytesMaxDefault);
}
