import type { Clock } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import type { Random } from "../base/random.ts";
import { type BreakerChange, Breakers } from "../policy/breakers.ts";
import type { RecordFields } from "../record/log-record.ts";
import type { MetaStore } from "../store/store.ts";

export interface TeamBreakersOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly newId: () => string;
  readonly meta: Pick<MetaStore, "get" | "swap">;
  /** Each change of state leaves a record, whoever's call it was and whatever became of that. */
  readonly record: (fields: RecordFields) => void;
}

/** The breakers of a team, kept among its named values. */
export function createTeamBreakers({ clock, random, newId, meta, record }: TeamBreakersOptions): Breakers {
  const nameOf = (dependency: string): string => `breaker ${dependency}`;
  return new Breakers({
    clock, random, newId,
    memory: { load: (dependency) => meta.get(nameOf(dependency)), swap: (dependency, before, after) => meta.swap(nameOf(dependency), before, after) },
    onChange: (change) => record({ event_type: "breaker", result: change.to, reason: describe(change), data: { ...change } }),
  });
}

function describe({ dependency, to, openMs }: BreakerChange): string {
  if (to === "open") return `${dependency} is not called for ${formatDuration(openMs ?? 0)}: most calls of it failed.`;
  return to === "closed" ? `${dependency} answers again: every call is let through.` : `${dependency} is tried again.`;
}
