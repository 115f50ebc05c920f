import type { Clock } from "../../base/clock.ts";
import type { PostgresDatabase, PostgresSession } from "../../db/postgres.ts";
import type { TaskEnd } from "../../record/task.ts";
import type { Write } from "../../record/write.ts";
import type { ObserveTask } from "../engine.ts";
import { defaultEngineLimits } from "../limits.ts";
import { resultAbandoned } from "../refusal.ts";
import { News } from "./news.ts";
import { TaskDesk } from "./task-desk.ts";
import { tellWorkers } from "./tell-others.ts";
import { Writer } from "./writer.ts";

export interface OperatorEngineOptions {
  readonly db: PostgresDatabase;
  readonly clock: Clock;
  readonly ids: (prefix: string) => string;
  /** Applies writes to the store's tables inside the open transaction. */
  readonly apply: (db: PostgresSession, writes: readonly Write[]) => Promise<void>;
  readonly observe: ObserveTask;
  /** Undefined for an agent that nobody knows. */
  readonly queueMax: (agent: string) => number | undefined;
}

/** How often it is looked for the end of a task that was not heard. */
const sweepMs = 5_000;

/** What people do to a team beside its workers. It executes nothing and speaks to PostgreSQL only: workers hear that there is something to do. */
export class OperatorEngine extends TaskDesk {
  readonly #db: PostgresDatabase;
  readonly #news: News;
  readonly #writer: Writer;

  constructor({ db, clock, ids, apply, observe, queueMax }: OperatorEngineOptions) {
    const limits = defaultEngineLimits;
    const writer = new Writer({ db, clock, limits, apply, observe, tell: tellWorkers, onCommitted: () => undefined, onFault: () => undefined });
    super({ writer, ids, queueMax: (agent) => queueMax(agent) ?? limits.queueUnknownAgentMax });
    this.#db = db;
    this.#writer = writer;
    this.#news = new News({
      writer, clock, sweepMs,
      watched: () => new Set(this.waiters.taskIds),
      onTask: ({ id, end }) => {
        if (end !== null) this.waiters.wake(id, end);
      },
      onDue: () => undefined,
      onWork: () => undefined,
      onFault: () => undefined, // It is looked again.
    });
  }

  override async result(taskId: string, signal?: AbortSignal): Promise<TaskEnd> {
    this.#news.listen(this.#db);
    return await super.result(taskId, signal);
  }

  /** Who waits for the end of a task is refused. The database is closed by whoever opened it. */
  close(): void {
    this.waiters.refuseAll(resultAbandoned());
    this.#news.close();
    this.#writer.close();
  }
}
