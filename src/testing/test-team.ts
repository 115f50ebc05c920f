import type { Callable } from "../agent/context.ts";
import type { ModelReference } from "../agent/model-reference.ts";
import type { TeamDefinition } from "../agent/team-definition.ts";
import { type Duration, formatDuration, parseDuration } from "../base/duration.ts";
import { LonghaulError } from "../base/error.ts";
import { type Json, toJson } from "../base/json.ts";
import { seededRandom } from "../base/random.ts";
import { macrotask } from "../base/turn.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import type { TaskFilter } from "../engine/engine.ts";
import type { Model } from "../model/model.ts";
import { modelIdOf } from "../model/model-id.ts";
import type { HealthVerdict } from "../record/health.ts";
import type { LogRecord } from "../record/log-record.ts";
import type { CompletedStep } from "../record/step.ts";
import { isEnded, type Task, type TaskEnd } from "../record/task.ts";
import type { Decision } from "../run/question.ts";
import { openLiveTeam } from "../runtime/live-team.ts";
import type { RecordFilter } from "../store/store.ts";

/** Options of `testTeam`. */
export interface TestTeamOptions {
  /** The model that answers every reference, or one by reference. A reference without a model is refused: nothing real is called. */
  readonly models?: Model | Readonly<Record<string, Model>>;
  /** Chance is reproducible. Default 1. */
  readonly seed?: number | string;
  /** Default 2026-01-01T00:00:00Z. */
  readonly startAt?: Date;
  /** Values of `secret("NAME")`. */
  readonly secrets?: Readonly<Record<string, string>>;
}

/** A team under a virtual clock, in memory, in this process: the real runtime with time that stands still between calls. */
export interface TestTeam {
  /** Starts a task; it runs when time is given to it by `settle`, `advance` or `result`. */
  submit<Input>(agent: Callable<Input> | string, input: NoInfer<Input>, options?: { readonly key?: string }): Promise<string>;
  /** Lets everything happen that can happen without time going on. */
  settle(): Promise<void>;
  /** Moves time on and lets everything happen that falls due. */
  advance(duration: Duration): Promise<void>;
  /** Moves time on until the task ends, at most `within` (default 1 day). */
  result(taskId: string, within?: Duration): Promise<TaskEnd>;
  task(taskId: string): Promise<Task>;
  tasks(filter?: TaskFilter): Promise<readonly Task[]>;
  steps(runId: string): Promise<readonly CompletedStep[]>;
  records(filter?: RecordFilter): Promise<readonly LogRecord[]>;
  health(): Promise<readonly HealthVerdict[]>;
  /** What people were told, in order. */
  notifications(): readonly string[];
  signal(runId: string, name: string, payload?: Json): Promise<boolean>;
  /** Answers a call that waits for a person, as `longhaul approve` does. @throws {TASK_STATE} when none waits for it, or several do and `call` names none. */
  approve(runId: string, decision: Decision, options?: { readonly call?: string; readonly reason?: string; readonly result?: Json }): Promise<void>;
  cancel(taskId: string, reason?: string): Promise<boolean>;
  /** The virtual time in milliseconds since the epoch. */
  now(): number;
  close(): Promise<void>;
}

/** Turns of the event loop without any activity after which nothing more will happen at this instant. */
const quietTurns = 30;
const resultWithinDefault = "1d";

/** Starts a team for a test. Await nothing real in it (network, child processes): a virtual clock does not wait for the outside. */
export async function testTeam(team: TeamDefinition, options: TestTeamOptions = {}): Promise<TestTeam> {
  const clock = new VirtualClock(options.startAt?.getTime());
  const told: string[] = [];
  let activity = 0;
  const live = await openLiveTeam({
    team: { ...team, spec: { ...team.spec, notify: [{ kind: "console", name: "console" }] } },
    dataDirectory: null,
    clock,
    random: seededRandom(options.seed ?? 1),
    environment: (name) => options.secrets?.[name],
    print: (line) => void told.push(line),
    onRecord: () => void activity++,
    modelFor: (reference) => findModel(options.models, reference),
  });
  const settle = async (): Promise<void> => {
    let seen = "";
    for (let quiet = 0; quiet < quietTurns; quiet++) {
      await macrotask();
      const now = `${activity} ${clock.timersSet} ${live.isQuiet()}`;
      if (now !== seen || live.isTelling()) quiet = 0;
      seen = now;
    }
  };
  await live.start();
  await settle();
  const mustGet = async (taskId: string): Promise<Task> => {
    const task = await live.operations.task(taskId);
    if (task === null) throw new LonghaulError("TASK_UNKNOWN", `There is no task ${taskId}.`);
    return task;
  };
  return {
    async submit(agent, input, { key } = {}) {
      const name = typeof agent === "string" ? agent : agent.name;
      const started = await live.operations.submit({ agent: name, input: toJson(input, "The task's input"), source: "test", ...(key === undefined ? {} : { key }) });
      return started.taskId;
    },
    settle,
    advance: (duration) => clock.advance(parseDuration(duration, "advance"), settle),
    async result(taskId, within = resultWithinDefault) {
      const untilMs = clock.now() + parseDuration(within, "within");
      for (;;) {
        await settle();
        const task = await mustGet(taskId);
        if (isEnded(task.status) && task.end !== null) return task.end;
        const nextAtMs = clock.nextAtMs;
        if (nextAtMs === undefined || nextAtMs > untilMs) {
          throw new LonghaulError("TASK_STATE", `Task ${taskId} did not end within ${formatDuration(parseDuration(within, "within"))}: it is ${task.status}${task.waitingReason === null ? "" : `(${task.waitingReason})`}.`);
        }
        await clock.advance(Math.max(0, nextAtMs - clock.now()), settle);
      }
    },
    task: mustGet,
    tasks: (filter = {}) => live.tasks.list(filter),
    steps: (runId) => live.tasks.steps(runId),
    records: async (filter = {}) => (await live.records.query(filter)).map(({ record }) => record),
    health: () => live.health(),
    notifications: () => [...told],
    signal: (runId, name, payload = null) => live.operations.signal(runId, name, payload),
    approve: async (runId, decision, { result = null, ...options } = {}) => void (await live.operations.approve(runId, decision, result, { ...options, source: "test" })),
    cancel: (taskId, reason = "canceled by the test") => live.operations.cancel(taskId, reason),
    now: () => clock.now(),
    async close() {
      await live.drain(0);
      await live.close();
    },
  };
}

function findModel(models: TestTeamOptions["models"], reference: ModelReference): Model | null {
  const id = typeof reference === "string" ? reference : modelIdOf(reference);
  if (models !== undefined && isModel(models)) return models;
  const model = models?.[id];
  if (model) return model;
  if (typeof reference !== "string") return null; // A model object of the test's own, such as the AI SDK's mock.
  throw new LonghaulError("OPTION_INVALID", `testTeam has no model for "${id}". Give one: testTeam(team, { models: { "${id}": scriptedModel(…) } }).`);
}

function isModel(models: Model | Readonly<Record<string, Model>>): models is Model {
  return typeof models["complete"] === "function";
}
