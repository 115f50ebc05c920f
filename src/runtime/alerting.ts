import { computeAlerts, noAlerts, parseAlertState, type AlertState } from "../act/alert.ts";
import type { Clock } from "../base/clock.ts";
import type { Json } from "../base/json.ts";
import { describeHealth, describeVerdict, type HealthVerdict } from "../record/health.ts";
import { toLogRecord } from "../record/log-record.ts";
import type { Notification } from "../record/notification.ts";
import type { Write } from "../record/write.ts";
import type { Store } from "../store/store.ts";

export interface AlertingOptions {
  readonly team: string;
  readonly clock: Clock;
  readonly ids: (prefix: string) => string;
  readonly store: Store;
  readonly notifiers: Iterable<string>;
  readonly onQueued: () => void;
}

/** From verdicts to health records and queued notifications. */
export interface Alerting {
  /** The verdicts of a judgement; `blind` is why there are none. */
  judged(verdicts: readonly HealthVerdict[], blind?: string): Promise<void>;
  /** Queues a notification for every notifier but one. */
  enqueue(notification: Notification, exceptNotifier?: string): Promise<void>;
}

const stateName = "alerts";

/** How long delivery is tried before it is given up and escalated. */
export const deliverForMs = 86_400_000;

/** A notification for each of these notifiers, once however often it is written. */
export function toOutbox(notification: Notification, notifiers: Iterable<string>, nowMs: number): readonly Write[] {
  return [...notifiers].map((notifier) => ({ type: "outbox", id: `${notification.id}/${notifier}`, notifier, message: { ...notification }, atMs: nowMs, expiresAtMs: nowMs + deliverForMs }));
}

export async function createAlerting(options: AlertingOptions): Promise<Alerting> {
  const { team, clock, ids, store } = options;
  const notifiers = [...options.notifiers];
  const stored = await store.meta.get(stateName);
  let state: AlertState = stored === null ? noAlerts : parseAlertState(stored);
  const known = new Map<string, string>();

  return {
    async judged(verdicts, blind) {
      const nowMs = clock.now();
      const changed = verdicts.filter((verdict) => known.get(verdict.agent) !== describeVerdict(verdict));
      const alerts = computeAlerts(state, verdicts, nowMs, blind === undefined ? {} : { blind });
      const notifications = alerts.notifications.map((draft) => ({ ...draft, id: ids("n"), team }));
      const writes = [...changed.map((verdict) => healthRecord(team, ids("v"), nowMs, verdict)), ...notifications.flatMap((notification) => toOutbox(notification, notifiers, nowMs))];
      // What people are told, and that they were told, is one commit: a crash between would tell it twice.
      if (alerts.next !== state) writes.push({ type: "meta", name: stateName, value: alerts.next as unknown as Json });
      if (writes.length > 0) await store.write(writes);
      for (const verdict of changed) known.set(verdict.agent, describeVerdict(verdict));
      state = alerts.next;
      if (notifications.length > 0) options.onQueued();
    },
    async enqueue(notification, exceptNotifier) {
      await store.write(toOutbox(notification, notifiers.filter((name) => name !== exceptNotifier), clock.now()));
      options.onQueued();
    },
  };
}

function healthRecord(team: string, id: string, nowMs: number, verdict: HealthVerdict): Write {
  return {
    type: "record",
    record: toLogRecord(id, nowMs, team, { event_type: "health", agent_id: verdict.agent, result: describeHealth(verdict.health), reason: verdict.evidence, data: { bad: verdict.bad, degraded: verdict.degraded } }),
  };
}
