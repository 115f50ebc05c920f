import type { Clock } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";
import type { JsonObject } from "../base/json.ts";
import { seededRandom } from "../base/random.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import { defineAgent } from "../agent/agent-definition.ts";
import type { Trigger } from "../agent/trigger-definition.ts";
import type { Started } from "../engine/engine.ts";
import type { LogRecord } from "../record/log-record.ts";
import type { Write } from "../record/write.ts";
import type { StartRequest, TriggeredTask } from "./firing.ts";
import { listRegistrations } from "./registration.ts";
import { createScheduler, type Scheduler } from "./scheduler.ts";

/** An agent of durable code that does nothing, with these triggers. */
export function agentWith(name: string, ...triggers: readonly Trigger[]): ReturnType<typeof defineAgent> {
  return defineAgent({ name, run: async () => null, triggers });
}

/** A team around a scheduler: it outlives the scheduler as a database outlives a process. */
export class TriggerWorld {
  readonly time: VirtualClock;
  /** The wall clock is the virtual one plus this. */
  skewMs = 0;
  readonly clock: Clock;
  readonly states = new Map<string, JsonObject>();
  readonly records: LogRecord[] = [];
  readonly tasks: (TriggeredTask & { readonly atMs: number })[] = [];
  readonly openTasks = new Set<string>();
  readonly errors: unknown[] = [];
  /** Runs before each start and may refuse it. */
  beforeStart: (request: StartRequest) => void = () => undefined;
  /** Runs between a start's commit and its answer: throwing here is a crash that the scheduler does not survive. */
  afterStart: (request: StartRequest) => void = () => undefined;
  readonly startedAtMs: number;
  readonly #keys = new Map<string, string>();
  /** When each record was written, by the virtual clock, which does not jump. */
  readonly #writtenAtMs = new Map<string, number>();
  #ids = 0;

  constructor(startAtMs = Date.UTC(2026, 0, 5)) {
    this.startedAtMs = startAtMs;
    this.time = new VirtualClock(startAtMs);
    this.clock = { now: () => this.time.now() + this.skewMs, monotonicMs: () => this.time.monotonicMs(), setTimer: (delayMs, run) => this.time.setTimer(delayMs, run) };
  }

  /** A process that starts: its scheduler, open. */
  async open(...agents: readonly ReturnType<typeof agentWith>[]): Promise<Scheduler> {
    const scheduler = createScheduler({
      clock: this.clock,
      random: seededRandom("trigger-world"),
      team: "team",
      registrations: listRegistrations(agents),
      states: new Map(this.states),
      start: async (request) => this.#start(request),
      write: async (writes) => this.#write(writes),
      taskIsOpen: async ({ id }) => this.openTasks.has(id),
      taskId: () => `task_${++this.#ids}`,
      onError: (error) => void this.errors.push(error),
    });
    await scheduler.open();
    return scheduler;
  }

  /** Receipts of a trigger, or of all. */
  receipts(triggerId?: string): readonly LogRecord[] {
    return this.records.filter(({ event_type, data }) => event_type === "trigger" && (triggerId === undefined || data["triggerId"] === triggerId));
  }

  results(triggerId?: string): readonly (string | null)[] {
    return this.receipts(triggerId).map(({ result }) => result);
  }

  /** When a trigger's receipts were written, by the time that really passed. */
  receiptInstants(triggerId: string): readonly number[] {
    return this.receipts(triggerId).map(({ id }) => this.#writtenAtMs.get(id) ?? 0);
  }

  /** A task that holds a key: its start was committed, but what belongs to it was not. */
  claim(key: string, taskId: string): void {
    this.#keys.set(key, taskId);
  }

  #start(request: StartRequest): Started {
    this.beforeStart(request);
    const holder = this.#keys.get(request.task.key);
    if (holder !== undefined) return { taskId: holder, created: false };
    this.#keys.set(request.task.key, request.task.id);
    this.tasks.push({ ...request.task, atMs: this.time.now() });
    this.#write(request.writes);
    this.afterStart(request);
    return { taskId: request.task.id, created: true };
  }

  #write(writes: readonly Write[]): void {
    for (const write of writes) {
      if (write.type === "trigger.state") this.states.set(write.triggerId, write.state);
      else if (write.type === "record" && !this.#writtenAtMs.has(write.record.id)) {
        this.records.push(write.record);
        this.#writtenAtMs.set(write.record.id, this.time.now());
      }
    }
  }
}

export function queueFull(): LonghaulError {
  return new LonghaulError("QUEUE_FULL", "The queue is full.");
}

export const second = 1000;
export const minute = 60 * second;
export const hour = 60 * minute;
export const day = 24 * hour;
