import type { Clock } from "../base/clock.ts";
import { type JsonObject, type Json, toJson } from "../base/json.ts";
import { type Validation, validate } from "../base/schema.ts";
import type { EventTrigger } from "../agent/trigger-definition.ts";
import type { ReceiptResult } from "../record/receipt.ts";
import type { Write } from "../record/write.ts";
import { describeSource, type TriggeredTask } from "./firing.ts";
import { toReceiptWrites } from "./receipt-writes.ts";
import type { Registration } from "./registration.ts";
import { describeThrown, runUserCode, type UserCodeEnd } from "./user-code.ts";

export interface SubscriptionOptions {
  readonly clock: Clock;
  readonly team: string;
  readonly taskId: () => string;
  /** Of all kinds; only those of `on` count. */
  readonly registrations: readonly Registration[];
}

export interface EventTasks {
  readonly tasks: readonly TriggeredTask[];
  /** One receipt for each subscription, whatever became of it. They belong into the commit that starts the tasks. */
  readonly receipts: readonly Write[];
}

export interface Subscriptions {
  /** The tasks that an event asks for. `publishId` names this publication: the same id gives the same keys. */
  tasksFor(event: string, data: JsonObject, publishId: string): Promise<EventTasks>;
}

type Subscription = Registration<EventTrigger<unknown>>;
type Mapped = UserCodeEnd<Validation<Json>>;

/** Who subscribed to which event. Every event makes its own task: events are never coalesced. */
export function createSubscriptions({ clock, team, taskId, registrations }: SubscriptionOptions): Subscriptions {
  const subscriptions = registrations.filter(isSubscription);
  return {
    async tasksFor(event, data, publishId) {
      const interested = subscriptions.filter(({ trigger }) => trigger.event === event);
      const mapped = await Promise.all(interested.map((subscription) => mapEvent(clock, subscription, data)));
      const tasks: TriggeredTask[] = [];
      const receipts: Write[] = [];
      for (const [index, subscription] of interested.entries()) {
        const end = mapped[index];
        if (end === undefined) continue;
        const { triggerId, agent } = subscription;
        const key = `event:${publishId}:${triggerId}`;
        const id = taskId();
        if (end.ok && end.value.ok) tasks.push({ id, agent, input: end.value.value, key, source: describeSource(triggerId) });
        const atMs = clock.now();
        const receipt = { key, team, agent, triggerId, atMs, dueAtMs: atMs, result: resultOf(end, id), data: { event, ...issuesOf(end) } };
        receipts.push(...toReceiptWrites(end.ok ? receipt : { ...receipt, error: end.error }));
      }
      return { tasks, receipts };
    },
  };
}

function isSubscription(registration: Registration): registration is Subscription {
  return registration.trigger.kind === "on";
}

/** The task's input, the issues of an event that does not match its schema, or what the mapping threw. */
function mapEvent(clock: Clock, { trigger, triggerId }: Subscription, data: JsonObject): Promise<Mapped> {
  return runUserCode(clock, `\`input\` of ${triggerId}`, undefined, async (): Promise<Validation<Json>> => {
    const event: Validation<unknown> = trigger.schema === null ? { ok: true, value: data } : await validate(trigger.schema, data);
    if (!event.ok) return event;
    const input: unknown = trigger.input === null ? event.value : await trigger.input(event.value as never);
    return { ok: true, value: toJson(input, `The input of ${triggerId}`) };
  });
}

function resultOf(end: Mapped, taskId: string): ReceiptResult {
  if (!end.ok) return { result: "skipped", reason: describeThrown(end.error) };
  return end.value.ok ? { result: "ran", taskId } : { result: "skipped", reason: "invalid-event" };
}

function issuesOf(end: Mapped): JsonObject {
  return end.ok && !end.value.ok ? { issues: end.value.issues } : {};
}
