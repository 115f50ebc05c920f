import { loadPrice } from "../../src/model/price.ts";
import type { AblationPlan, Window } from "./plan.ts";
import type { StoryEnd } from "./story-message.ts";
import { modelName } from "./task-text.ts";

/**
 * A stretch of time in which there was work and nothing was accomplished counts as downtime, whole, when it is longer than this. Tasks take about 15 s and come
 * 90 s apart: while one of them waits, shorter stretches say only that no other one came.
 */
const downMsMin = 300_000;
/** For comparison. */
const strictDownMsMin = 60_000;

export interface Downtime {
  /** All of it. */
  readonly wholeMs: number;
  /** The part in which the provider would have answered. */
  readonly avoidableMs: number;
}

export interface SideMeasures {
  readonly tasks: number;
  /** Tasks whose right fact the sink has. */
  readonly accomplished: number;
  /** Of the team: nobody accomplished anything while there was work that could be done. */
  readonly team: Downtime;
  /** The same, with stretches from a minute on. */
  readonly strictTeam: Downtime;
  /** Of each agent by itself, added up. */
  readonly agents: Downtime;
  /** Tasks that the side holds for done, or knows nothing of, and the sink never got. */
  readonly lost: readonly string[];
  /** Deliveries beyond the first of their task. */
  readonly duplicated: number;
  /** Tasks held for done whose answer is not the receipt of a delivery of their fact, and deliveries of something else. */
  readonly wrong: number;
  /** Tasks that are neither done nor lost, by the reason that the side names. */
  readonly unfinished: Readonly<Record<string, number>>;
  readonly microUsd: number;
  readonly calls: number;
  /** Calls of the provider while it could not answer. */
  readonly callsWhileDown: number;
  /** From the end of each window to the next thing accomplished; null: never. */
  readonly back: readonly { readonly kind: Window["kind"]; readonly ms: number | null }[];
  readonly deaths: number;
  readonly interventions: readonly string[];
}

interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** What a side made of the story of its seed, by the sink's own state and the truth of the plan. */
export async function measure(plan: AblationPlan, end: StoryEnd): Promise<SideMeasures> {
  const price = await loadPrice(`anthropic/${modelName}`, end.startAtMs);
  if (price === null) throw new Error(`${modelName} has no price.`);
  const facts = new Map(plan.tasks.map(({ id, fact }) => [id, fact]));
  const firstAtMs = new Map<string, number>();
  for (const { taskId, value, atMs } of end.deliveries) if (value === facts.get(taskId) && !firstAtMs.has(taskId)) firstAtMs.set(taskId, atMs);
  const fates = new Map(end.fates);
  const lost = plan.tasks.filter(({ id }) => !firstAtMs.has(id) && (fates.get(id)?.fate ?? "done") === "done").map(({ id }) => id);
  const isRight = (id: string, answer: string): boolean => end.deliveries.some(({ taskId, value, receipt }) => taskId === id && value === facts.get(id) && answer.match(/receipt-\d+/)?.[0] === receipt);
  const wrongAnswers = end.fates.filter(([id, fate]) => fate.fate === "done" && !isRight(id, fate.answer)).length;
  const down = (agents: readonly string[], msMin = downMsMin): Downtime => downtimeOf(plan, agents, { firstAtMs, over: new Map(end.over), msMin });
  const each = plan.agents.map((agent) => down([agent]));
  const arrivedAtMs = end.receipts.map(({ atMs }) => atMs - end.startAtMs);
  return {
    tasks: plan.tasks.length,
    accomplished: firstAtMs.size,
    team: down(plan.agents),
    strictTeam: down(plan.agents, strictDownMsMin),
    agents: { wholeMs: sum(each.map(({ wholeMs }) => wholeMs)), avoidableMs: sum(each.map(({ avoidableMs }) => avoidableMs)) },
    lost,
    duplicated: end.deliveries.length - new Set(end.deliveries.map(({ taskId }) => taskId)).size,
    wrong: wrongAnswers + end.deliveries.filter(({ taskId, value }) => value !== facts.get(taskId)).length,
    unfinished: countBy(end.fates.flatMap(([, fate]) => (fate.fate === "done" ? [] : [`${fate.fate}: ${fate.reason}`]))),
    microUsd: sum(end.receipts.map(({ inputTokens, outputTokens, atMs }) => price.costMicroUsd({ inputTokens, outputTokens, reasoningTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 }, atMs))),
    calls: end.receipts.length,
    callsWhileDown: arrivedAtMs.filter((atMs) => plan.windows.some(({ fromMs, untilMs }) => fromMs <= atMs && atMs < untilMs)).length,
    back: plan.windows.map(({ kind, untilMs }) => ({ kind, ms: earliest([...firstAtMs.values()].filter((atMs) => atMs >= untilMs), untilMs) })),
    deaths: end.deaths.length,
    interventions: end.interventions.map(({ what }) => what),
  };
}

interface Course {
  readonly firstAtMs: ReadonlyMap<string, number>;
  readonly over: ReadonlyMap<string, number>;
  /** The shortest stretch that counts. */
  readonly msMin: number;
}

function downtimeOf(plan: AblationPlan, agents: readonly string[], { firstAtMs, over, msMin }: Course): Downtime {
  const events: { readonly atMs: number; readonly open: 1 | -1; readonly isAccomplishment: boolean }[] = [];
  for (const { id, agent, atMs, isPoison } of plan.tasks) {
    if (!agents.includes(agent) || isPoison) continue;
    const [doneAtMs = Number.POSITIVE_INFINITY, overAtMs = Number.POSITIVE_INFINITY] = [firstAtMs.get(id), over.get(id)];
    events.push({ atMs, open: 1, isAccomplishment: false }, { atMs: Math.min(doneAtMs, overAtMs, plan.horizonMs), open: -1, isAccomplishment: doneAtMs <= overAtMs && doneAtMs <= plan.horizonMs });
  }
  const silent: Span[] = [];
  let open = 0;
  let sinceMs = 0;
  for (const event of events.toSorted((left, right) => left.atMs - right.atMs || right.open - left.open)) {
    if (open === 0) sinceMs = event.atMs;
    open += event.open;
    if (!event.isAccomplishment && open > 0) continue;
    silent.push({ fromMs: sinceMs, untilMs: event.atMs });
    sinceMs = event.atMs;
  }
  const down = silent.filter(({ fromMs, untilMs }) => untilMs - fromMs > msMin);
  const wholeMs = sum(down.map(({ fromMs, untilMs }) => untilMs - fromMs));
  return { wholeMs, avoidableMs: wholeMs - sum(down.flatMap((span) => plan.windows.map((window) => overlap(span, window)))) };
}

function overlap(left: Span, right: Span): number {
  return Math.max(0, Math.min(left.untilMs, right.untilMs) - Math.max(left.fromMs, right.fromMs));
}

function earliest(instants: readonly number[], sinceMs: number): number | null {
  return instants.length === 0 ? null : Math.min(...instants) - sinceMs;
}

function countBy(names: readonly string[]): Readonly<Record<string, number>> {
  return Object.fromEntries([...Map.groupBy(names, (name) => name)].map(([name, all]) => [name, all.length]));
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
