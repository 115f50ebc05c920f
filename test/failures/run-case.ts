import { VirtualClock } from "../../src/base/virtual-clock.ts";
import { loadPrice } from "../../src/model/price.ts";
import { createModelRegistry } from "../../src/model/registry.ts";
import { noUsage } from "../../src/record/usage.ts";
import { isEnded, type Task } from "../../src/record/task.ts";
import { type FailureCase, nameOf } from "./case.ts";
import { models, prices } from "./courier.ts";
import { describeRun } from "./describe-run.ts";
import type { Ground } from "./ground.ts";
import { LiveWorld } from "./live-world.ts";

/** One line of the table. */
export interface FailureRow {
  readonly name: string;
  readonly layer: string;
  readonly fault: string;
  readonly seed: number;
  /** What the run did about it, from its records: "retry ×2", "waiting(rate-limit) 6 min". */
  readonly did: readonly string[];
  /** Virtual time from the order to its end, or to where only people can go on. */
  readonly backMs: number;
  /** Calls that reached the model's provider. */
  readonly calls: number;
  readonly spentMicroUsd: number;
  readonly end: string;
  readonly deliveries: number;
  /** Broken promises: lost, duplicated, wrong. */
  readonly violations: readonly string[];
  /** Where it is not what the case says that it must be. */
  readonly surprises: readonly string[];
}

export interface RunCaseOptions {
  readonly ground: Ground;
  readonly folder: string;
  readonly seed: number;
}

/** A library that loads takes real time, in which the virtual clock would go on. */
let loading: Promise<unknown> | null = null;

function loadLibraries(): Promise<unknown> {
  const registry = createModelRegistry({ clock: new VirtualClock(), secret: () => undefined, endpoints: { anthropic: unused, openai: unused, local: unused } });
  loading ??= Promise.all([...Object.values(models).map((reference) => registry.resolve(reference)), loadPrice(prices.anthropic, 0)]);
  return loading;
}

const unused = { baseUrl: "http://simulator.test/v1", simulated: true };

/** Runs one case and judges it by what is outside of the team and by the seeded truth. */
export async function runCase(failure: FailureCase, { ground, folder, seed }: RunCaseOptions): Promise<FailureRow> {
  await loadLibraries();
  const world = new LiveWorld({ failure, ground, folder, seed });
  try {
    await world.open();
    if (failure.play === undefined) await world.submit();
    await failure.play?.(world);
    await world.untilRest();
    return await judge(failure, world, { ground, seed });
  } finally {
    await world.close();
  }
}

async function judge(failure: FailureCase, world: LiveWorld, { ground, seed }: Omit<RunCaseOptions, "folder">): Promise<FailureRow> {
  const task = await world.task();
  const undoing = await world.undoing();
  const { layer, fault, expect } = failure;
  const spentMicroUsd = await ground.spentMicroUsd();
  const row: Omit<FailureRow, "surprises"> = {
    name: nameOf(failure), layer, fault, seed,
    did: describeRun(await world.records(), world.ends),
    backMs: world.passedMs,
    calls: world.calls,
    spentMicroUsd,
    end: describeEnd(task),
    deliveries: world.outside.deliveries.length,
    violations: [...violationsOf(task, world), ...(await world.others()).flatMap(lostOf), ...slotViolations(failure, task, undoing, world.outside), ...(await uncountedOf(world, spentMicroUsd))],
  };
  return { ...row, surprises: [...surprisesOf(row, expect), ...surpriseOfUndoing(undoing, expect)] };
}

function surpriseOfUndoing(undoing: Task | null, { undoing: expected }: FailureCase["expect"]): readonly string[] {
  const came = undoing === null ? undefined : describeEnd(undoing);
  return came === expected ? [] : [`its undoing ended ${came ?? "never: there is none"}, not ${expected ?? "so: there was to be none"}`];
}

/** Who is done holds a slot, who is not holds none, unless a dead letter says that it could not be freed. */
function slotViolations({ via }: FailureCase, { status }: Task, undoing: Task | null, outside: LiveWorld["outside"]): readonly string[] {
  if (via !== "saga" || !isEnded(status)) return [];
  const held = outside.slotsOf(outside.order);
  if (status === "done") return held === 1 ? [] : [`wrong: the task is done and holds ${held} slots`];
  return held === 0 || undoing?.status === "dead" ? [] : [`lost: the task is ${status}, and ${held} slots were not freed`];
}

/** Lost, duplicated, or verified though it is not true. */
function violationsOf(task: Task, { outside }: LiveWorld): readonly string[] {
  const { end } = task;
  // A stand-in's output was accepted by verify too.
  const wrong = end?.status === "done" && (end.outcome === "verified" || end.evidence !== null) ? wrongOf(end.output, outside) : null;
  return [...lostOf(task), ...outside.violations(), ...(wrong === null ? [] : [`wrong verified: ${wrong}`])];
}

function lostOf({ status, waitingReason }: Task): readonly string[] {
  return !isEnded(status) && (status !== "waiting" || waitingReason === null) ? [`lost: the task is still ${status}`] : [];
}

function wrongOf(output: unknown, { fact, deliveries }: LiveWorld["outside"]): string | null {
  const { fact: told, receipt } = output as { readonly fact?: unknown; readonly receipt?: unknown };
  if (told !== fact) return `the answer is "${String(told)}", the truth "${fact}"`;
  return deliveries.some((delivery) => delivery.receipt === receipt) ? null : `nothing was delivered under ${String(receipt)}`;
}

function describeEnd({ status, waitingReason, end }: Task): string {
  if (end === null) return waitingReason === null ? status : `${status}(${waitingReason})`;
  if (end.status === "done") return end.outcome;
  return end.status === "dead" ? `dead(${end.reason})` : end.status;
}

function surprisesOf(row: Omit<FailureRow, "surprises">, expected: FailureCase["expect"]): readonly string[] {
  const { end, deliveries, backMs, callsMax, spentMicroUsdMax = Number.POSITIVE_INFINITY, did = [] } = expected;
  const [soonestMs, latestMs] = typeof backMs === "number" ? [backMs, backMs] : backMs;
  const missing = missingFrom(row.did, did);
  return [
    ...(row.end === end ? [] : [`it ended ${row.end}, not ${end}`]),
    ...(row.deliveries === deliveries ? [] : [`${row.deliveries} deliveries, not ${deliveries}`]),
    ...(row.backMs >= soonestMs && row.backMs <= latestMs ? [] : [`it took ${row.backMs} ms, not ${soonestMs === latestMs ? latestMs : `${soonestMs} to ${latestMs}`}`]),
    ...(row.calls <= callsMax ? [] : [`${row.calls} calls, more than ${callsMax}`]),
    ...(row.spentMicroUsd <= spentMicroUsdMax ? [] : [`${row.spentMicroUsd} µ$ are counted, more than ${spentMicroUsdMax}`]),
    ...(missing === null ? [] : [`its records do not say "${missing}" there: ${row.did.join(", ") || "nothing"}`]),
  ];
}

/** The first of `expected` that does not follow in order; null when all are there. An entry counts when it begins so. */
function missingFrom(did: readonly string[], expected: readonly string[]): string | null {
  let from = 0;
  for (const entry of expected) {
    const at = did.findIndex((said, index) => index >= from && said.startsWith(entry));
    if (at === -1) return entry;
    from = at + 1;
  }
  return null;
}

/** Money that the provider will ask for and no ledger holds. */
async function uncountedOf({ receipts }: LiveWorld, countedMicroUsd: number): Promise<readonly string[]> {
  let billedMicroUsd = 0;
  for (const { wire, inputTokens, outputTokens } of receipts) {
    const price = await loadPrice(prices[wire === "anthropic-messages" || wire === null ? "anthropic" : wire === "openai-responses" ? "openai" : "openai-compatible"], 0);
    billedMicroUsd += price?.costMicroUsd({ ...noUsage, inputTokens, outputTokens }, 0) ?? 0;
  }
  return billedMicroUsd <= countedMicroUsd ? [] : [`uncounted: the provider bills ${billedMicroUsd} µ$, the ledger holds ${countedMicroUsd}`];
}
