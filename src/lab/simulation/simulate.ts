import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { sleep, systemClock } from "../../base/clock.ts";
import { type Duration, formatDuration, parseDuration } from "../../base/duration.ts";
import type { ErrorCode } from "../../base/error-code.ts";
import { LonghaulError, messageOf } from "../../base/error.ts";
import type { RecordFilter } from "../../store/store.ts";
import { progressPlaces, type SimulationMessage, type SimulationPlan, type SimulationResult } from "./simulation-message.ts";

export interface SimulationOptions {
  /** The file that exports the team, as `team` or as default. */
  readonly team: string | URL;
  /** The file that exports `world`, which makes what surrounds the team. Default: nothing surrounds it. */
  readonly world?: string | URL;
  /** Default 1. The same seed gives the same trace. */
  readonly seed?: number | string;
  /** Default 2026-01-01T00:00:00Z. */
  readonly startAt?: Date;
  /** How much virtual time goes by. */
  readonly horizon: Duration;
  /** Default: in memory. */
  readonly dataDirectory?: string;
  /** The environment of the simulated process, secrets included. Default: empty. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The records to return. Default: none. */
  readonly keep?: RecordFilter;
  /** How long virtual time may stand still, in real time. Default 30 s. */
  readonly stallAfter?: Duration;
}

const startAtDefault = "2026-01-01T00:00:00Z";
const stallAfterDefault = "30s";
/** How often it is looked whether time goes on. */
const looksPerStall = 10;
/** How long a thread may take to say what it waits for: one that does not answer never returns to its event loop. */
const answerMs = 1_000;

/** From source the thread runs source, under the condition that resolves `longhaul` to it. */
const isSource = import.meta.url.endsWith(".ts");

/**
 * Runs a team for `horizon` of virtual time in a thread whose ambient time, chance and network are virtual: the team's own code, the AI SDK and the MCP
 * client obey them.
 * @throws {SIMULATION_STALLED} {SIMULATION_FAILED}, or what opening the team refused.
 */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const { environment = {}, stallAfter = stallAfterDefault } = options;
  const plan = toPlan(options);
  const worker = new Worker(new URL(`./simulation-thread.${isSource ? "ts" : "js"}`, import.meta.url), {
    workerData: plan,
    env: { ...environment },
    ...(isSource ? { execArgv: ["--conditions=longhaul-source"] } : {}),
  });
  const watching = new AbortController();
  try {
    return await Promise.race([resultOf(worker), stallOf(worker, plan, parseDuration(stallAfter, "stallAfter"), watching.signal)]);
  } finally {
    watching.abort();
    await worker.terminate();
  }
}

function toPlan({ team, world, seed = 1, startAt, horizon, dataDirectory, environment = {}, keep }: SimulationOptions): SimulationPlan {
  return {
    team: toUrl(team),
    world: world === undefined ? null : toUrl(world),
    seed: String(seed),
    startAtMs: startAt?.getTime() ?? Date.parse(startAtDefault),
    horizonMs: parseDuration(horizon, "horizon"),
    dataDirectory: dataDirectory ?? null,
    environment,
    keep: keep ?? null,
    progress: new Float64Array(new SharedArrayBuffer(2 * Float64Array.BYTES_PER_ELEMENT)),
  };
}

function toUrl(file: string | URL): string {
  return (file instanceof URL ? file : pathToFileURL(file)).href;
}

function resultOf(worker: Worker): Promise<SimulationResult> {
  return new Promise((resolve, reject) => {
    worker.on("message", (message: SimulationMessage) => {
      if (message.kind === "done") resolve(message.result);
      if (message.kind === "failed") reject(toError(message));
    });
    worker.on("error", (error: unknown) => reject(new LonghaulError("SIMULATION_FAILED", `The simulated code threw where nobody catches: ${messageOf(error)}`, { cause: error })));
    worker.on("exit", (code) => reject(new LonghaulError("SIMULATION_FAILED", `The thread of the simulation ended with ${code} before the horizon: its code called process.exit, or awaits what never comes.`)));
  });
}

function toError({ code, message, stack }: Extract<SimulationMessage, { kind: "failed" }>): LonghaulError {
  const error = new LonghaulError(code as ErrorCode, message);
  if (stack !== null) error.stack = stack;
  return error;
}

/** Rejects when virtual time has stood still for too long; never resolves. */
async function stallOf(worker: Worker, { progress, startAtMs }: SimulationPlan, stallAfterMs: number, signal: AbortSignal): Promise<never> {
  let seen = "";
  let sinceMs = systemClock.monotonicMs();
  for (;;) {
    await sleep(systemClock, stallAfterMs / looksPerStall, signal);
    const now = progress.join();
    if (now !== seen) {
      seen = now;
      sinceMs = systemClock.monotonicMs();
    } else if (systemClock.monotonicMs() - sinceMs >= stallAfterMs) {
      const at = new Date(progress[progressPlaces.nowMs] || startAtMs).toISOString();
      throw new LonghaulError("SIMULATION_STALLED", `Virtual time stands still at ${at} for ${formatDuration(stallAfterMs)}: ${await describeWait(worker, signal)}`);
    }
  }
}

async function describeWait(worker: Worker, signal: AbortSignal): Promise<string> {
  const silent = sleep(systemClock, answerMs, signal).then(() => null);
  const answer = new Promise<readonly string[]>((resolve) => {
    worker.on("message", (message: SimulationMessage) => {
      if (message.kind === "awaiting") resolve(message.resources);
    });
  });
  worker.postMessage("what do you wait for");
  const resources = await Promise.race([answer, silent]);
  if (resources === null) return "its code never returns to the event loop. Look for a loop that waits for time to go by; await a timer instead.";
  return `it waits for something real (${resources.length === 0 ? "turns of the event loop" : [...new Set(resources)].join(", ")}). Await nothing real in a simulation.`;
}
