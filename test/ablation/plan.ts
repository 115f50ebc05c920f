import { integerBetween, type Random, seededRandom } from "../../src/base/random.ts";

/** What keeps the provider from answering, and for how long. Times are milliseconds since the beginning of the story. */
export type Window = { readonly fromMs: number; readonly untilMs: number } & (
  /** Every call is answered with 503. */
  | { readonly kind: "outage" }
  /** Every call is answered with 429, and told to come back so much later. */
  | { readonly kind: "storm"; readonly retryAfterSeconds: number }
  /** Connections are taken, and nothing comes. */
  | { readonly kind: "silence" }
  /** Connections are taken, and something comes every second for ever: pings of a stream, white space before a body. Never an answer. */
  | { readonly kind: "keep-alive" }
);

export interface ArrivingTask {
  readonly id: string;
  readonly agent: string;
  readonly atMs: number;
  /** What the read tool says and the sink is to be given: the truth. */
  readonly fact: string;
  /** The process dies whenever this task is read. */
  readonly isPoison: boolean;
}

/** What happens, to either side, in one seed. */
export interface AblationPlan {
  readonly seed: number;
  readonly horizonMs: number;
  readonly agents: readonly string[];
  readonly tasks: readonly ArrivingTask[];
  readonly windows: readonly Window[];
  /** The process is killed; or a new version is deployed: SIGTERM, then the new process. */
  readonly deaths: readonly { readonly atMs: number; readonly kind: "kill" | "deploy" }[];
  /** The wall clock is set. */
  readonly clockJumps: readonly { readonly atMs: number; readonly byMs: number }[];
}

export type SmallModelFault = "cut" | "empty" | "broken-arguments" | "no-message" | "overloaded" | "silence" | "keep-alive";
export type SmallToolFault = "failed" | "answer-lost";

/** Every family of incidents that a plan may be restricted to. */
export const families = ["outage", "storm", "silence", "keep-alive", "kill", "deploy", "clock", "poison", "small"] as const;
export type Family = (typeof families)[number];

export interface PlanOptions {
  /** Default 24. */
  readonly hours?: number;
  /** Default: all. */
  readonly only?: readonly Family[];
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const agentsMax = 10;
/** The mean time between two tasks, of all agents. */
const betweenTasksMs = 90_000;
/** How often each family strikes in 24 hours. */
const incidents: readonly Exclude<Family, "small">[] = ["outage", "outage", "storm", "storm", "silence", "keep-alive", "kill", "kill", "kill", "deploy", "deploy", "clock", "poison"];
const dayMs = 24 * hourMs;
/** After the last incident the story goes on for a while, so that what is left can be done. */
const calmMs = 2 * hourMs;
/** Out of 10,000 calls. The first attempt of a call meets the same fault on either side. */
const smallModelFaults: readonly (readonly [SmallModelFault, number])[] = [["cut", 50], ["empty", 30], ["broken-arguments", 50], ["no-message", 30], ["overloaded", 100], ["silence", 10], ["keep-alive", 10]];
const smallToolFaults: readonly (readonly [SmallToolFault, number])[] = [["failed", 50], ["answer-lost", 50]];

export function planOf(seed: number, { hours = 24, only = families }: PlanOptions = {}): AblationPlan {
  const random = seededRandom(`ablation ${seed}`);
  const horizonMs = hours * hourMs;
  const agents = Array.from({ length: agentsMax }, (_, index) => `agent-${index}`);
  // One incident in each stretch of the day, in an order of the seed's own: none covers another by more than its own effects.
  const order = shuffled(incidents, random.split("order")).slice(0, Math.max(1, Math.round((incidents.length * (horizonMs - calmMs)) / (dayMs - calmMs))));
  const stretchMs = (horizonMs - calmMs) / order.length;
  const places = order.map((family, index) => {
    const chance = random.split(`incident ${index}`);
    return { family, chance, atMs: Math.round(stretchMs * (index + 0.1 + 0.5 * chance.next())) };
  });
  const chosen = places.filter(({ family }) => only.includes(family));
  const poisonAtMs = chosen.find(({ family }) => family === "poison")?.atMs ?? null;
  return {
    seed, horizonMs, agents,
    tasks: tasksOf(random.split("tasks"), agents, { untilMs: horizonMs - calmMs / 2, poisonAtMs }),
    windows: chosen.flatMap(({ family, chance, atMs }) => windowOf(family, atMs, chance) ?? []),
    deaths: chosen.flatMap(({ family, atMs }) => (family === "kill" || family === "deploy" ? [{ atMs, kind: family }] : [])),
    clockJumps: chosen.flatMap(({ family, atMs, chance }) => (family === "clock" ? [{ atMs, byMs: chance.next() < 0.5 ? hourMs : -hourMs }] : [])),
  };
}

function windowOf(family: Family, fromMs: number, chance: Random): Window | null {
  if (family === "outage") return { kind: family, fromMs, untilMs: fromMs + 20 * minuteMs };
  if (family === "storm") return { kind: family, fromMs, untilMs: fromMs + 10 * minuteMs, retryAfterSeconds: integerBetween(chance, 60, 300) };
  if (family === "silence" || family === "keep-alive") return { kind: family, fromMs, untilMs: fromMs + 10 * minuteMs };
  return null;
}

function tasksOf(random: Random, agents: readonly string[], { untilMs, poisonAtMs }: { readonly untilMs: number; readonly poisonAtMs: number | null }): readonly ArrivingTask[] {
  const tasks: ArrivingTask[] = [];
  let hasPoison = poisonAtMs === null;
  for (let atMs = 0; ; ) {
    atMs += Math.round(-betweenTasksMs * Math.log(1 - random.next()));
    if (atMs > untilMs) return tasks;
    const isPoison: boolean = !hasPoison && poisonAtMs !== null && atMs >= poisonAtMs;
    hasPoison ||= isPoison;
    tasks.push({ id: `task-${tasks.length + 1}`, agent: agents[tasks.length % agents.length] ?? "", atMs, fact: `fact ${integerBetween(random, 100_000, 999_999)}`, isPoison });
  }
}

/** What goes wrong with one call of a model, by chance: `call` names the task, what is asked, and which attempt of the side it is. */
export function smallModelFault(seed: number, call: string): SmallModelFault | null {
  return draw(seededRandom(`ablation ${seed}/model ${call}`), smallModelFaults);
}

export function smallToolFault(seed: number, call: string): SmallToolFault | null {
  return draw(seededRandom(`ablation ${seed}/tool ${call}`), smallToolFaults);
}

function draw<T>(random: Random, shares: readonly (readonly [T, number])[]): T | null {
  // The first number of a stream follows its name too closely.
  random.next();
  let left = random.next() * 10_000;
  for (const [value, share] of shares) {
    left -= share;
    if (left < 0) return value;
  }
  return null;
}

function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  return items.map((item) => ({ item, place: random.next() })).toSorted((left, right) => left.place - right.place).map(({ item }) => item);
}
