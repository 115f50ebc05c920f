import type { Json } from "../base/json.ts";
import type { LazyAbort } from "../base/lazy-abort.ts";
import { seededRandom, type Random } from "../base/random.ts";
import type { NewTask, Task } from "../record/task.ts";
import type { ChildEnd, ChildGate, EngineContext, HeldChild, StepBody, StepSpec, Transaction, Unwinding, WaitEnd, WaitSpec } from "./engine.ts";
import type { StepKind } from "../record/step.ts";
import { keyOf, type EndedStep } from "./journaled-step.ts";
import type { Operation, Request } from "./operation.ts";

export interface RunContextOptions {
  readonly task: Task;
  readonly runId: string;
  readonly startedAtMs: number;
  /** What its chance is drawn from. */
  readonly randomSeed: string;
  /** The numbers that stored steps have. */
  readonly numbers: ReadonlyMap<string, number>;
  readonly abort: Pick<LazyAbort, "signal">;
  readonly unwinding: Unwinding | null;
  /** Takes what durable code asks for, in call order. */
  readonly onRequest: (operation: Operation) => void;
}

/**
 * What durable code sees of the engine: it recognises each request by kind, name and occurrence and numbers them in call order. What is stored keeps its number;
 * where new code asks for something else in its place, that comes behind all that is stored. So a step's number is its own, and higher than that of whatever code was
 * told before it asked.
 * Once fenced, whatever it is asked for never settles: code of an evicted run stays where it is until it is collected.
 */
export class RunContext implements EngineContext {
  readonly task: Task;
  readonly runId: string;
  readonly unwinding: Unwinding | null;
  readonly #abort: Pick<LazyAbort, "signal">;
  readonly #onRequest: (operation: Operation) => void;
  readonly #random: Random;
  /** By kind and name. */
  readonly #occurrences = new Map<StepKind, Map<string, number>>();
  readonly #stored: ReadonlyMap<string, number>;
  readonly #taken: ReadonlySet<number>;
  #nowMs: number;
  #lastNumber = 0;
  #isFenced = false;

  constructor(options: RunContextOptions) {
    this.task = options.task;
    this.runId = options.runId;
    this.unwinding = options.unwinding;
    this.#abort = options.abort;
    this.#nowMs = options.startedAtMs;
    this.#random = seededRandom(options.randomSeed);
    this.#onRequest = options.onRequest;
    this.#stored = options.numbers;
    this.#taken = new Set(options.numbers.values());
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  now(): number {
    return this.#nowMs;
  }

  random(): number {
    return this.#random.next();
  }

  step(spec: StepSpec, body: StepBody): Promise<Json> {
    return this.#request(spec, { type: "step", body });
  }

  transaction(spec: StepSpec, body: (tx: Transaction) => Promise<Json>): Promise<Json> {
    return this.#request(spec, { type: "transaction", body });
  }

  async wait(spec: WaitSpec): Promise<WaitEnd> {
    const end = await this.#request({ kind: spec.kind ?? "wait", name: spec.name }, { type: "wait", spec, requestedAtMs: this.#nowMs });
    return end as unknown as WaitEnd;
  }

  child(spec: StepSpec, task: NewTask): Promise<ChildEnd>;
  child(spec: StepSpec, task: NewTask, gate: ChildGate): Promise<ChildEnd | HeldChild>;
  async child(spec: StepSpec, task: NewTask, gate: ChildGate | null = null): Promise<ChildEnd | HeldChild> {
    return (await this.#request(spec, { type: "child", task, gate })) as unknown as ChildEnd | HeldChild;
  }

  /** Time goes on with what is delivered, never back. */
  noteDelivery(step: EndedStep): void {
    this.#nowMs = Math.max(this.#nowMs, step.completedAtMs);
  }

  fence(): void {
    this.#isFenced = true;
  }

  #request(spec: StepSpec, request: Request): Promise<Json> {
    const settled = Promise.withResolvers<Json>();
    const { promise, resolve } = settled;
    if (this.#isFenced) return promise;
    // As the file will hold it: half a character, which a model may put into the id of a tool call, does not come back as it went in.
    const name = spec.name.toWellFormed();
    const identity = { kind: spec.kind, name, occurrence: this.#nextOccurrence(spec.kind, name) };
    const key = keyOf(identity);
    this.#onRequest({ identity, key, number: this.#numberOf(key), request, resolve, reject: (error) => rejectQuietly(settled, error), state: "held" });
    return promise;
  }

  #nextOccurrence(kind: StepKind, name: string): number {
    let names = this.#occurrences.get(kind);
    if (names === undefined) this.#occurrences.set(kind, (names = new Map()));
    const occurrence = (names.get(name) ?? 0) + 1;
    names.set(name, occurrence);
    return occurrence;
  }

  #numberOf(key: string): number {
    const next = this.#lastNumber + 1;
    if (this.#stored.size === 0) return (this.#lastNumber = next);
    const number = this.#stored.get(key) ?? (this.#taken.has(next) ? Math.max(...this.#taken) + 1 : next);
    this.#lastNumber = Math.max(this.#lastNumber, number);
    return number;
  }
}

/** A failure that durable code does not await, such as that of a race's loser, is journaled and must not end the process. */
function rejectQuietly({ promise, reject }: PromiseWithResolvers<Json>, error: Error): void {
  promise.catch(() => undefined);
  reject(error);
}
