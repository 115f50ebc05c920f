import { integerBetween, type Random, seededRandom } from "../../src/base/random.ts";
import type { Action, Scenario } from "./scenario.ts";
import { teams } from "./teams/all.ts";

/** Something that goes wrong, or is done beside the usual, in a story. */
export type Fault =
  /** The process dies before or after the commit of this number. */
  | { readonly kind: "crash"; readonly commit: number; readonly when: "before" | "after" }
  /** The power is cut during the commit of this number. */
  | { readonly kind: "power"; readonly commit: number }
  /** The process dies at this instant, whatever it does then. */
  | { readonly kind: "kill"; readonly atMs: number }
  /** The data file cannot grow by more than this many pages for a while. */
  | { readonly kind: "full"; readonly atMs: number; readonly forMs: number; readonly pages: number }
  /** The wall clock is set. */
  | { readonly kind: "clock"; readonly atMs: number; readonly byMs: number }
  /** A client or an operator does something that the team's usual story does not hold. */
  | { readonly kind: "action"; readonly action: Action }
  /** Everything takes longer or shorter than usual; calls of models or tools fail. */
  | { readonly kind: "slow" }
  | { readonly kind: "models" | "tools"; readonly ratio: number };

/** A story that a seed stands for. */
export interface FaultPlan {
  readonly seed: number;
  readonly scenario: Scenario;
  /** By their place in this list they are kept or left out. */
  readonly faults: readonly Fault[];
  /** Nothing new is done, and nothing goes wrong, after this much of the story. */
  readonly horizonMs: number;
}

const horizonMsDefault = 20_000;
const commitsMax = 140;

/** What a seed stands for. Every subsystem draws from a stream of its own. */
export function planOf(seed: number): FaultPlan {
  const random = seededRandom(`reliability ${seed}`);
  const scenario = teams[integerBetween(random.split("team"), 0, teams.length - 1)] ?? teams[0];
  if (scenario === undefined) throw new Error("there are no teams");
  const faults = [
    ...crashes(random.split("crashes")),
    ...some(random.split("power"), 0, 2, (chance): Fault => ({ kind: "power", commit: integerBetween(chance, 1, commitsMax) })),
    ...some(random.split("kills"), 0, 3, (chance): Fault => ({ kind: "kill", atMs: integerBetween(chance, 0, 6_000) })),
    ...some(random.split("disk"), -2, 1, (chance): Fault => ({ kind: "full", atMs: integerBetween(chance, 0, 4_000), forMs: integerBetween(chance, 100, 15_000), pages: integerBetween(chance, 0, 3) })),
    ...some(random.split("clock"), -1, 2, (chance): Fault => ({ kind: "clock", atMs: integerBetween(chance, 0, 8_000), byMs: integerBetween(chance, -120_000, 600_000) })),
    ...some(random.split("drains"), -1, 2, (chance, n): Fault => ({ kind: "action", action: { id: `drain-${n}`, type: "drain", atMs: integerBetween(chance, 0, 6_000), timeoutMs: chance.next() < 0.5 ? 0 : integerBetween(chance, 1, 3_000), downMs: integerBetween(chance, 0, 20_000) } })),
    ...operators(random.split("operators"), scenario),
    ...clients(random.split("load"), scenario),
    ...weather(random.split("weather")),
  ];
  return { seed, scenario, faults, horizonMs: horizonMsDefault };
}

/** Some close to each other, so that the recovery from one is itself interrupted. */
function crashes(random: Random): readonly Fault[] {
  const faults: Fault[] = [];
  let commit = 0;
  for (let count = integerBetween(random, 0, 5); count > 0; count--) {
    commit += random.next() < 0.4 ? integerBetween(random, 1, 5) : integerBetween(random, 1, 60);
    faults.push({ kind: "crash", commit, when: random.next() < 0.5 ? "before" : "after" });
  }
  return faults;
}

function operators(random: Random, { actions }: Scenario): readonly Fault[] {
  const submissions = actions.filter(({ type }) => type === "submit");
  const canceled = submissions[integerBetween(random, 0, Math.max(0, submissions.length - 1))];
  if (canceled === undefined || random.next() < 0.6) return [];
  return [{ kind: "action", action: { id: "cancel", type: "cancel", atMs: integerBetween(random, 0, 5_000), of: canceled.id } }];
}

/** Clients that submit again what was submitted, under the same key or another one. */
function clients(random: Random, { actions }: Scenario): readonly Fault[] {
  const submissions = actions.filter((action) => action.type === "submit");
  return some(random, 0, 4, (chance, n): Fault | null => {
    const submission = submissions[integerBetween(chance, 0, Math.max(0, submissions.length - 1))];
    const atMs = integerBetween(chance, 0, 5_000);
    if (submission === undefined) return null;
    return { kind: "action", action: { ...submission, id: `more-${n}`, atMs, ...(chance.next() < 0.5 ? {} : { key: `more-${n}` }) } };
  });
}

function weather(random: Random): readonly Fault[] {
  return [
    ...(random.next() < 0.7 ? [{ kind: "slow" as const }] : []),
    ...(random.next() < 0.4 ? [{ kind: "models" as const, ratio: random.next() * 0.5 }] : []),
    ...(random.next() < 0.4 ? [{ kind: "tools" as const, ratio: random.next() * 0.5 }] : []),
  ];
}

function some<Item>(random: Random, min: number, max: number, make: (random: Random, n: number) => Item | null): readonly Item[] {
  const count = Math.max(0, integerBetween(random, min, max));
  return Array.from({ length: count }, (_, index) => make(random.split(String(index)), index + 1)).filter((item) => item !== null);
}

/** The plan with some of its faults only, up to some instant. */
export function reducePlan(plan: FaultPlan, kept: readonly number[], horizonMs: number): FaultPlan {
  return { ...plan, faults: plan.faults.filter((_, index) => kept.includes(index)), horizonMs };
}

/** For people: one line. */
export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case "crash":
      return `the process dies ${fault.when} commit ${fault.commit}`;
    case "power":
      return `the power is cut during commit ${fault.commit}`;
    case "kill":
      return `the process dies at ${fault.atMs} ms`;
    case "full":
      return `the disk is full from ${fault.atMs} ms for ${fault.forMs} ms, but for ${fault.pages} pages`;
    case "clock":
      return `the wall clock is set by ${fault.byMs} ms at ${fault.atMs} ms`;
    case "action":
      return JSON.stringify(fault.action);
    case "slow":
      return "everything takes longer or shorter than usual";
    case "models":
    case "tools":
      return `${Math.round(100 * fault.ratio)} % of the calls of ${fault.kind} fail`;
  }
}
