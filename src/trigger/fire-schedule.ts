import { toJson } from "../base/json.ts";
import type { CronTrigger, EveryTrigger } from "../agent/trigger-definition.ts";
import type { Write } from "../record/write.ts";
import { describeSource, type DueFiring, endFiring, failFiring, type FiringEnd, type FiringPorts, isQueueFull, isRefusal, receiptOf, toStateWrite } from "./firing.ts";
import { runUserCode, type UserCodeEnd } from "./user-code.ts";

type ScheduleTrigger = EveryTrigger<unknown> | CronTrigger<unknown>;

/** One firing of `every` or `cron`: coalesced, skipped, or a task. Rejects when the team could not be reached; the same firing is then tried again. */
export async function fireSchedule(ports: FiringPorts, due: DueFiring<ScheduleTrigger>): Promise<FiringEnd> {
  const { registration, state, atMs, dueAtMs, key } = due;
  const { trigger, triggerId, agent } = registration;
  if (state.lastTaskId !== null && (await ports.taskIsOpen({ id: state.lastTaskId, agent }))) return endFiring(ports, due, { result: "coalesced", taskId: state.lastTaskId });

  const firing = { atMs, dueAtMs };
  const guard = trigger.if === undefined ? pass(true) : await runUserCode(ports.clock, `\`if\` of ${triggerId}`, ports.signal, () => trigger.if?.(firing) ?? true);
  if (!guard.ok) return failFiring(ports, due, guard.error);
  if (!guard.value) return endFiring(ports, due, { result: "skipped", reason: "no-work" });

  const made = trigger.input === undefined ? pass(null) : await runUserCode(ports.clock, `\`input\` of ${triggerId}`, ports.signal, async () => toJson(await trigger.input?.(firing), `The input of ${triggerId}`));
  if (!made.ok) return failFiring(ports, due, made.error);

  const id = ports.taskId();
  try {
    const started = await ports.start({ task: { id, agent, input: made.value, key, source: describeSource(triggerId) }, writes: writesOf(ports, due, id) });
    // The task of this very firing existed: a process died between its start and its receipt.
    if (!started.created) await ports.write(writesOf(ports, due, started.taskId));
    return { result: { result: "ran", taskId: started.taskId }, state: { ...due.after, lastTaskId: started.taskId } };
  } catch (error) {
    if (isQueueFull(error)) return endFiring(ports, due, { result: "skipped", reason: "queue-full" });
    if (isRefusal(error)) return failFiring(ports, due, error);
    throw error;
  }
}

/** What user code that is not there comes to. */
function pass<T>(value: T): UserCodeEnd<T> {
  return { ok: true, value };
}

function writesOf(ports: FiringPorts, due: DueFiring, taskId: string): readonly Write[] {
  return [...receiptOf(ports, due, { result: "ran", taskId }), toStateWrite(due.registration.triggerId, { ...due.after, lastTaskId: taskId })];
}
