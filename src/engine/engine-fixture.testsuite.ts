import { sleep, systemClock } from "../base/clock.ts";
import { macrotask } from "../base/turn.ts";
import type { VirtualClock } from "../base/virtual-clock.ts";
import type { Json } from "../base/json.ts";
import { toLogRecord } from "../record/log-record.ts";
import type { NewTask, TaskEnd } from "../record/task.ts";
import type { Write } from "../record/write.ts";
import type { Engine, EngineAgent, EngineContext, Execute, StepEnd, TaskChange } from "./engine.ts";

/** One engine on one set of data, as a contract suite needs it. */
export interface EngineFixture {
  readonly engine: Engine;
  readonly clock: VirtualClock;
  /** What the observer was told by this engine, in order. */
  readonly changes: readonly TaskChange[];
  /** Ids of the progress writes that were applied to these data by any engine. */
  applied(): Promise<readonly string[]>;
  /** Ids of the records that were written to these data by any engine. */
  recorded(): Promise<readonly string[]>;
  /** Ids of the tasks that left their slot, as the store was told by any engine, in order. */
  left(): Promise<readonly string[]>;
  /** Lets pass what the engine needs to do all it can do by itself, while bodies execute that nobody ends. No time passes on the clock. */
  settle(): Promise<void>;
}

/** How a contract suite gets engines of one adapter. */
export interface EngineSuite {
  create(): Promise<EngineFixture>;
  /** Abandons the engine as `kill -9` would, and opens another one on the same data. */
  crash(fixture: EngineFixture): Promise<EngineFixture>;
  /** Closes the engine, which drains it, and opens another one on the same data. */
  reopen(fixture: EngineFixture): Promise<EngineFixture>;
  destroy(): Promise<void>;
}

export const agentA: EngineAgent = { name: "a", version: "1", concurrency: 100, queueMax: 1_000 };

let taskCount = 0;

export function newTask(fixture: EngineFixture, fields: Partial<NewTask> = {}): NewTask {
  const nowMs = fixture.clock.now();
  return { id: `t_${++taskCount}`, agent: "a", input: null, key: null, priority: 0, notBeforeAtMs: nowMs, deadlineAtMs: nowMs + 7 * 86_400_000, depth: 0, source: "test", ...fields };
}

export function done(output: Json): { readonly end: TaskEnd } {
  return { end: { status: "done", outcome: "unverified", output, evidence: null, reason: null } };
}

export function value(output: Json, writes: readonly Write[] = []): StepEnd {
  return { outcome: { ok: true, value: output }, writes };
}

export function progress(id: string): Write {
  return { type: "progress", id, agent: "a", atMs: 0, what: "test", outputHash: null };
}

export function record(id: string): Write {
  return { type: "record", record: toLogRecord(id, 0, "test", { event_type: "decision" }) };
}

/** A step of plain code that returns what `body` returns. */
export function code(ctx: EngineContext, name: string, body: () => Json | Promise<Json>): Promise<Json> {
  return ctx.step({ kind: "code", name }, async () => value(await body()));
}

/** What an engine in this process needs. One beside it is looked for with pauses, which leave it the processor. */
const turnsInARow = 1_000;
const turnsMax = 20_000;

/** Lets turns of the event loop pass until the condition holds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let turn = 0; turn < turnsMax; turn++) {
    if (await condition()) return;
    await (turn < turnsInARow ? macrotask() : sleep(systemClock, 1));
  }
  throw new Error(`It did not come to this: ${what}`);
}

export async function quiet({ engine }: EngineFixture): Promise<void> {
  await until(() => engine.isQuiet(), "the engine is quiet");
}

/** Moves time, letting the engine do all it can at each instant. */
export async function advance(fixture: EngineFixture, ms: number): Promise<void> {
  await fixture.clock.advance(ms, () => quiet(fixture));
}

/** Runs one task to its end, moving time as far as it takes. */
export async function runToEnd(fixture: EngineFixture, taskId: string): Promise<TaskEnd> {
  let end: TaskEnd | undefined;
  void fixture.engine.result(taskId).then((ended) => (end = ended));
  for (let instant = 0; instant < 1_000 && end === undefined; instant++) {
    await quiet(fixture);
    if (end === undefined) await fixture.clock.advanceToNext(() => quiet(fixture));
  }
  if (end === undefined) throw new Error(`Task ${taskId} does not end.`);
  return end;
}

/** Starts one task on a running engine and returns its output. */
export async function outputOf(fixture: EngineFixture, execute: Execute, fields: Partial<NewTask> = {}): Promise<Json> {
  await fixture.engine.run([agentA], execute);
  const { taskId } = await fixture.engine.start(newTask(fixture, fields));
  const end = await runToEnd(fixture, taskId);
  if (end.status !== "done") throw new Error(`The task is ${JSON.stringify(end)}`);
  return end.output;
}

/** A promise and the means to settle it: holds a step's body until the test lets go. */
export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

export function createGate(): Gate {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}
