import type { Clock } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import type { Random } from "../base/random.ts";
import type { Breaker } from "../policy/breaker.ts";
import { breakerFromJson } from "../policy/breaker-json.ts";
import { type BreakerChange, type BreakerMemory, Breakers } from "../policy/breakers.ts";
import { breakerConfigOf, dependencyOfCallee } from "../policy/callee-dependency.ts";
import { endOfCallee } from "../policy/callee-end.ts";
import { modelOfDependency } from "../policy/model-dependency.ts";
import type { RecordFields } from "../record/log-record.ts";
import type { Task } from "../record/task.ts";
import type { Worker } from "../run/worker.ts";
import type { MetaStore } from "../store/store.ts";

export interface TeamBreakersOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly newId: () => string;
  readonly meta: Pick<MetaStore, "get" | "swap">;
  /** Each change of state leaves a record, whoever's call it was and whatever became of that. */
  readonly record: (fields: RecordFields) => void;
}

/** What begins the names of breakers among a team's named values. */
const prefix = "breaker ";

/** The breakers of a team, kept among its named values. */
export function createTeamBreakers({ clock, random, newId, meta, record }: TeamBreakersOptions): Breakers {
  return new Breakers({
    clock, random, newId,
    memory: breakerMemory(meta),
    onChange: (change) => record({ event_type: "breaker", result: change.to, reason: describe(change), data: { ...change } }),
  });
}

export function breakerMemory(meta: Pick<MetaStore, "get" | "swap">): BreakerMemory {
  return { load: (dependency) => meta.get(`${prefix}${dependency}`), swap: (dependency, before, after) => meta.swap(`${prefix}${dependency}`, before, after) };
}

/** Tells the breaker of an agent or flow what came of a call of it, when a task that others wait for has ended. */
export function noteCalleeEnd(breakers: Pick<Breakers, "note">, workers: ReadonlyMap<string, Pick<Worker, "kind" | "name">>, { id, agent, parentRunId, end }: Task): void {
  const callee = workers.get(agent);
  if (end !== null && parentRunId !== null && callee !== undefined) void breakers.note(dependencyOfCallee(callee), id, endOfCallee(end));
}

/** How a dependency stands. One that was never held back is in no list. */
export interface BreakerView {
  /** Models whose accounts differ have a mark of the account behind their name; where there is one account, the name says enough. */
  readonly dependency: string;
  readonly state: Breaker["state"];
  /** Until when it is not called; null unless it is open. */
  readonly untilAtMs: number | null;
  /** Why a person keeps it from being called; null unless one does. */
  readonly reason: string | null;
}

/** The breakers that ever were anything else than closed, in the order of their names. */
export async function listBreakers(meta: Pick<MetaStore, "list">, clock: Clock): Promise<readonly BreakerView[]> {
  const stored = await meta.list(prefix);
  const models = stored.map(({ name }) => modelOfDependency(name.slice(prefix.length)) ?? name.slice(prefix.length));
  return stored.map(({ name, value }) => {
    const model = modelOfDependency(name.slice(prefix.length));
    const breaker = breakerFromJson(value, clock, breakerConfigOf(name.slice(prefix.length)));
    return {
      dependency: model !== null && models.filter((other) => other === model).length === 1 ? model : name.slice(prefix.length),
      state: breaker.state,
      untilAtMs: breaker.state === "open" ? Math.round(clock.now() + breaker.untilMs - clock.monotonicMs()) : null,
      reason: breaker.state === "isolated" ? breaker.reason : null,
    };
  });
}

/** A dependency, and where it is a model that one for each of its accounts that was ever held back. */
export async function withAccounts(meta: Pick<MetaStore, "list">, dependency: string): Promise<readonly string[]> {
  const names = (await meta.list(`${prefix}${dependency} `)).map(({ name }) => name.slice(prefix.length));
  return [dependency, ...names.filter((name) => modelOfDependency(name) === dependency)];
}

function describe({ dependency, to, openMs }: BreakerChange): string {
  if (to === "open") return `${dependency} is not called for ${formatDuration(openMs ?? 0)}: most calls of it failed.`;
  return to === "closed" ? `${dependency} answers again: every call is let through.` : `${dependency} is tried again.`;
}
