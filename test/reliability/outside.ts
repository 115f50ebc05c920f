import type { RunContext } from "longhaul";
import { type Clock, sleep } from "../../src/base/clock.ts";
import { messageOf } from "../../src/base/error.ts";
import type { Json } from "../../src/base/json.ts";
import type { StepKind } from "../../src/record/step.ts";
import type { Effect } from "../../src/tool/tool.ts";
import type { Weather } from "./weather.ts";
import type { Seen, WorldEvent } from "./world.ts";

export interface OutsideOptions {
  readonly session: number;
  readonly clock: Clock;
  /** Shared by all lives of the process. */
  readonly log: WorldEvent[];
  readonly weather: Weather;
  /** Told after each event: a process may die right then. */
  readonly onEvent: (event: WorldEvent) => void;
  /** False when there is nothing more for triggers to find. */
  readonly hasWork: () => boolean;
}

/** What one step body returns: a second execution returns something else, so that whoever was told of the first can tell. */
export interface Told {
  readonly key: string;
  readonly execution: number;
  readonly text?: string;
}

const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

/**
 * The world as one life of the process reaches it. When that life is over, nothing that still executes in it gets through any more: its calls never
 * return, and nothing that they do is seen.
 */
export class Outside {
  readonly #options: OutsideOptions;
  #isGone = false;

  constructor(options: OutsideOptions) {
    this.#options = options;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  vanish(): void {
    this.#isGone = true;
  }

  hasWork(): boolean {
    return !this.#isGone && this.#options.hasWork();
  }

  note(event: Seen): void {
    if (this.#isGone) return;
    const { log, session, onEvent } = this.#options;
    const noted = { ...event, session } as WorldEvent;
    log.push(noted);
    onEvent(noted);
  }

  /** Takes its time, or for ever when the process is gone. */
  async pause(what: string, durationMs: number, signal?: AbortSignal): Promise<void> {
    const { clock, weather } = this.#options;
    if (this.#isGone) await never();
    await sleep(clock, weather.latencyMs(what, durationMs), signal);
    if (this.#isGone) await never();
  }

  /** A durable step whose body is seen, and whose outcome, of so many characters, is seen when durable code is given it. */
  step(ctx: RunContext, name: string, durationMs: number, characters = 0): Promise<Told> {
    const body = async (key: string, signal: AbortSignal): Promise<Told> => {
      const told = await this.#body(key, durationMs, signal);
      return characters === 0 ? told : { ...told, text: "x".repeat(characters) };
    };
    return this.observe(ctx, "code", name, ctx.step(name, ({ idempotencyKey, signal }) => body(idempotencyKey, signal)));
  }

  /** A durable step that fails, once and for all. */
  failingStep(ctx: RunContext, name: string, durationMs: number): Promise<Told> {
    const body = async (key: string, signal: AbortSignal): Promise<Told> => {
      const told = await this.#body(key, durationMs, signal);
      throw new Error(`${told.key} failed in execution ${told.execution}`);
    };
    return this.observe(ctx, "code", name, ctx.step(name, ({ idempotencyKey, signal }) => body(idempotencyKey, signal), { attempts: 1 }));
  }

  /** Registers what undoes the work so far, and whose body is seen: as a step of the run that compensates, which its key does not name. */
  compensate(ctx: RunContext, name: string, durationMs: number): Promise<void> {
    return ctx.compensate(name, async ({ idempotencyKey, signal }) => void (await this.#body(`r_c_${idempotencyKey}`, durationMs, signal)));
  }

  /** Notes what durable code is given, at the moment at which it is given it. */
  async observe<T>(ctx: RunContext, kind: StepKind, name: string, promise: Promise<T>, occurrence = 1): Promise<T> {
    const key = `${ctx.runId}/${kind}/${name}/${occurrence}`;
    const note = (value: string): void => this.note({ type: "observed", runId: ctx.runId, key, value });
    try {
      const value = await promise;
      note(JSON.stringify(value) ?? "undefined");
      return value;
    } catch (error) {
      note(`failed: ${messageOf(error)}`);
      throw error;
    }
  }

  /** Queues a task from durable code and notes that it was told of it. */
  async send(ctx: RunContext, name: string, sent: Promise<{ readonly taskId: string }>, occurrence = 1): Promise<string> {
    const { taskId } = await this.observe(ctx, "send", name, sent, occurrence);
    this.note({ type: "started", taskId, by: ctx.runId });
    return taskId;
  }

  /** What a tool does: half of its time before what it is for happens, half after. */
  async act(tool: string, effect: Effect, input: Json, { idempotencyKey: key, signal }: { readonly idempotencyKey: string; readonly signal: AbortSignal }): Promise<Json> {
    const event = { tool, effect, key, input: JSON.stringify(input) };
    this.note({ type: "called", ...event });
    await this.pause(`${key}/going`, 40, signal);
    const error = this.#options.weather.toolError(`${key}/${this.#options.log.length}`, this.#options.clock.now());
    if (error !== null) throw error;
    this.note({ type: "happened", ...event });
    await this.pause(`${key}/coming`, 40, signal);
    return { did: tool, input };
  }

  /** Whether a call of this key had its effect, as the other side knows. */
  hasHappened(key: string): boolean {
    return this.#options.log.some((event) => event.type === "happened" && event.key === key);
  }

  /** Whether a human has said what is to become of the last call of this key. */
  isDecided(key: string): boolean {
    return this.#options.log.findLast((event) => (event.type === "called" || event.type === "decided") && event.key === key)?.type === "decided";
  }

  modelError(key: string): Error | null {
    return this.#options.weather.modelError(`${key}/${this.#options.log.length}`, this.#options.clock.now());
  }

  async #body(key: string, durationMs: number, signal: AbortSignal): Promise<Told> {
    const execution = this.#options.log.length;
    this.note({ type: "began", key });
    try {
      await this.pause(key, durationMs, signal);
    } finally {
      this.note({ type: "ended", key });
    }
    return { key, execution };
  }
}
