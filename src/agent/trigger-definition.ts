import type { Duration } from "../base/duration.ts";
import type { JsonObject } from "../base/json.ts";
import type { OutputOf, Schema } from "../base/schema.ts";

/** When and why a trigger fired. */
export interface Firing {
  readonly atMs: number;
  /** The instant it was due; earlier than `atMs` after an outage. */
  readonly dueAtMs: number;
}

interface Guarded<Input> {
  /** Plain code that says whether there is work. False leaves the receipt `skipped(no-work)` and costs no tokens. */
  readonly if?: (firing: Firing) => boolean | Promise<boolean>;
  /** The task's input. */
  readonly input?: (firing: Firing) => Input | Promise<Input>;
}

export interface EveryTrigger<Input> extends Guarded<Input> {
  readonly kind: "every";
  readonly every: Duration;
  readonly atStart: boolean;
}
export interface CronTrigger<Input> extends Guarded<Input> {
  readonly kind: "cron";
  readonly pattern: string;
  readonly timezone: string | null;
}
export interface EventTrigger<Input> {
  readonly kind: "on";
  readonly event: string;
  readonly schema: Schema | null;
  readonly input: ((event: never) => Input) | null;
}
export interface PollTrigger<Input> {
  readonly kind: "poll";
  readonly every: Duration;
  readonly poll: (cursor: JsonObject | null, options: { readonly signal: AbortSignal }) => Promise<{ readonly items: readonly unknown[]; readonly cursor?: JsonObject }>;
  readonly key: (item: never) => string;
  readonly input: (item: never) => Input;
}

/** What creates tasks without a human. */
export type Trigger<Input = unknown> = EveryTrigger<Input> | CronTrigger<Input> | EventTrigger<Input> | PollTrigger<Input>;

export interface EveryOptions<Input> extends Guarded<Input> {
  /** Also fires when the team starts. Default false. */
  readonly atStart?: boolean;
}

/** Fires every interval. A firing while the task of an earlier one is open is coalesced with it; of firings missed while the team was down, one is made up. */
export function every<Input = undefined>(interval: Duration, options: EveryOptions<Input> = {}): EveryTrigger<Input> {
  const { atStart = false, ...guarded } = options;
  return { kind: "every", every: interval, atStart, ...guarded };
}

export interface CronOptions<Input> extends Guarded<Input> {
  /** IANA name. Default: UTC. */
  readonly timezone?: string;
}

/** Fires by a cron pattern of five fields (or six, with seconds first). */
export function cron<Input = undefined>(pattern: string, options: CronOptions<Input> = {}): CronTrigger<Input> {
  const { timezone = null, ...guarded } = options;
  return { kind: "cron", pattern, timezone, ...guarded };
}

/** An event without a schema: typed as `JSON.parse` types its result, and checked by the agent's input schema when the task runs. */
export type UncheckedEvent = ReturnType<typeof JSON.parse>;

export interface OnOptions<S extends Schema, Input> {
  /** What the event looks like. An event that does not match leaves the receipt `skipped(invalid-event)`. */
  readonly schema?: S;
  /** The task's input. Default: the event itself. */
  readonly input?: (event: OutputOf<S>) => Input;
}

/** Fires for every published event of this name; events are never coalesced. */
export function on<S extends Schema = Schema<unknown, UncheckedEvent>, Input = OutputOf<S>>(event: string, options: OnOptions<S, Input> = {}): EventTrigger<Input> {
  // What is not an option is kept, so that validateTeam can refuse it by name.
  const { schema = null, input = null, ...others } = options;
  return { ...others, kind: "on", event, schema, input };
}

export interface PollOptions<Item, Input> {
  /** Asks the outside for what is new; `cursor` is what the last round returned. */
  readonly poll: (cursor: JsonObject | null, options: { readonly signal: AbortSignal }) => Promise<{ readonly items: readonly Item[]; readonly cursor?: JsonObject }>;
  /** The item's own identity: an item that comes twice starts one task. */
  readonly key: (item: Item) => string;
  readonly input: (item: Item) => Input;
}

/** Asks the outside every interval, and starts one task for each item that it has not seen. */
export function poll<Item, Input>(interval: Duration, options: PollOptions<Item, Input>): PollTrigger<Input> {
  return { ...options, kind: "poll", every: interval };
}
