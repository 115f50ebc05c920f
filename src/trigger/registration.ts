import { parseDuration } from "../base/duration.ts";
import type { AgentDefinition, FlowDefinition } from "../agent/agent-definition.ts";
import type { CronTrigger, EveryTrigger, PollTrigger, Trigger } from "../agent/trigger-definition.ts";

/** One trigger of one agent or flow, with the id under which it is remembered. */
export interface Registration<Kind extends Trigger = Trigger> {
  /** `<agent>/<kind>:<spec>`: the same after a restart, and after other agents were edited. */
  readonly triggerId: string;
  readonly agent: string;
  readonly trigger: Kind;
}

/** A trigger that fires by the clock. */
export type TimedTrigger = EveryTrigger<unknown> | CronTrigger<unknown> | PollTrigger<unknown>;

/** All triggers of the agents and flows. */
export function listRegistrations(workers: readonly (AgentDefinition | FlowDefinition)[]): readonly Registration[] {
  return workers.flatMap(({ name, spec }) => {
    const counts = new Map<string, number>();
    return (spec.triggers ?? []).map((trigger) => {
      const id = `${name}/${describeTrigger(trigger)}`;
      const count = (counts.get(id) ?? 0) + 1;
      counts.set(id, count);
      return { triggerId: count === 1 ? id : `${id}#${count}`, agent: name, trigger };
    });
  });
}

/** "every:15m", "cron:0 9 * * * Europe/Berlin", "poll:5m", "on:lead.found". Equal schedules have equal texts, however they were written. */
function describeTrigger(trigger: Trigger): string {
  switch (trigger.kind) {
    case "every":
    case "poll":
      return `${trigger.kind}:${describeInterval(parseDuration(trigger.every, "every"))}`;
    case "cron":
      return `cron:${trigger.pattern.trim().split(/\s+/).join(" ")}${trigger.timezone === null ? "" : ` ${trigger.timezone}`}`;
    case "on":
      return `on:${trigger.event}`;
  }
}

const units = [["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], ["s", 1000]] as const;

function describeInterval(ms: number): string {
  const [unit, unitMs] = units.find(([, size]) => ms % size === 0) ?? ["ms", 1];
  return `${ms / unitMs}${unit}`;
}
