import type { Clock, Timer } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import type { LiveWorker } from "../engine/restate/team-address.ts";
import type { Notification } from "../record/notification.ts";
import type { Write } from "../record/write.ts";
import type { Store } from "../store/store.ts";
import { toOutbox } from "./alerting.ts";
import { troubleOfAll } from "./tell-trouble.ts";

export interface RestateAlarmOptions {
  readonly team: string;
  readonly clock: Clock;
  readonly store: Pick<Store, "meta" | "write">;
  readonly notifiers: Iterable<string>;
  readonly workers: () => Promise<readonly LiveWorker[]>;
  readonly onError: (error: unknown) => void;
}

/** No worker reaches Restate. */
interface RestateAway {
  readonly sinceMs: number;
  /** When people were last told; null: it may pass by itself. */
  readonly toldAtMs: number | null;
}

/** The name in lh_meta of what people were told: whoever takes the duties over tells nothing twice. */
const restateAwayName = "restate-away";
/** As often as workers say whether they reach it. */
const lookEveryMs = 10_000;
const tellAfterMs = 10_000;
const tellAgainMs = 14_400_000;

/** Tells people that no worker reaches Restate, and when one does again. Part of the duties. */
export class RestateAlarm {
  readonly #options: RestateAlarmOptions;
  #away: RestateAway | null;
  #timer: Timer | null = null;
  #isClosed = false;
  #looking: Promise<void> = Promise.resolve();

  /** Looks at once. */
  static async start(options: RestateAlarmOptions): Promise<RestateAlarm> {
    return new RestateAlarm(options, (await options.store.meta.get(restateAwayName)) as RestateAway | null);
  }

  private constructor(options: RestateAlarmOptions, earlier: RestateAway | null) {
    this.#options = options;
    this.#away = earlier;
    this.#lookSoon();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#looking;
  }

  #lookSoon(): void {
    this.#looking = this.#look()
      .catch(this.#options.onError) // It is looked again.
      .finally(() => {
        if (!this.#isClosed) this.#timer = this.#options.clock.setTimer(lookEveryMs, () => this.#lookSoon());
      });
  }

  async #look(): Promise<void> {
    const workers = await this.#options.workers();
    if (this.#isClosed || workers.length === 0) return; // Nobody says how it is.
    const nowMs = this.#options.clock.now();
    const trouble = troubleOfAll(workers);
    const away = this.#away;
    if (trouble === null) {
      if (away !== null && away.toldAtMs !== null) await this.#tell(null, { id: `n-restate-back-${away.sinceMs}`, severity: "resolved", title: "begins tasks again: Restate answers", text: `No worker reached it for ${formatDuration(nowMs - away.sinceMs)}.` });
      this.#away = null;
      return;
    }
    const { sinceMs, toldAtMs } = away ?? { sinceMs: nowMs, toldAtMs: null };
    this.#away = { sinceMs, toldAtMs };
    if (toldAtMs === null ? nowMs - sinceMs < tellAfterMs : nowMs - toldAtMs < tellAgainMs) return;
    const text = `${trouble} So for ${formatDuration(nowMs - sinceMs)}. Nothing that was accepted is lost, and work goes on by itself when it answers.\nNext: see that Restate runs and that the workers reach it; longhaul health says when they do.`;
    await this.#tell({ sinceMs, toldAtMs: nowMs }, { id: `n-restate-away-${nowMs}`, severity: "critical", title: "begins no task: no worker reaches Restate", text });
  }

  /** What people are told, and that they were, is one commit. */
  async #tell(away: RestateAway | null, { title, ...told }: Pick<Notification, "id" | "severity" | "title" | "text">): Promise<void> {
    const { team, clock, store, notifiers } = this.#options;
    const nowMs = clock.now();
    const kept: Write = { type: "meta", name: restateAwayName, value: away === null ? null : { ...away } };
    await store.write([kept, ...toOutbox({ ...told, title: `${team} ${title}`, atMs: nowMs, team, agent: null, data: {} }, notifiers, nowMs)]);
    this.#away = away;
  }
}
