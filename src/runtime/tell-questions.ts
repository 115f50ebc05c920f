import { cutText } from "../base/cut-text.ts";
import { setWallTimer, type Clock, type Timer } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import { hashOf, isJsonObject, type Json } from "../base/json.ts";
import { quote, quoteName } from "../base/quote.ts";
import type { Notification } from "../record/notification.ts";
import type { Store } from "../store/store.ts";
import type { Alerting } from "./alerting.ts";
import type { OpenQuestion } from "./open-questions.ts";

/** A task that waits for a person. */
export interface AskingTask {
  readonly agent: string;
  readonly taskId: string;
  readonly sinceMs: number;
}

export interface TellQuestionsOptions {
  readonly team: string;
  readonly clock: Clock;
  readonly store: { readonly meta: Pick<Store["meta"], "get">; write: Store["write"] };
  readonly alerting: Pick<Alerting, "enqueue">;
  /** What these tasks ask. */
  readonly questionsOf: (taskIds: readonly string[]) => Promise<readonly OpenQuestion[]>;
  readonly onError: (error: unknown) => void;
}

/** People are told at once, reminded after an hour, and told as of something critical after four. */
const stagesMs = [0, 3_600_000, 14_400_000] as const;
/** Tasks that come to wait within this of a message are told together. */
const togetherMs = 60_000;
/** Of more than these a message only says how many there are. */
const namedMax = 10;
const argumentsCharsMax = 300;
const toldName = "questions-told";

/** Tells people of tasks that wait for them, once for each stage of the wait, over restarts too. */
export class QuestionTeller {
  readonly #options: TellQuestionsOptions;
  /** By task and beginning of its wait: the stage that was told. Null: not read yet. */
  #told: ReadonlyMap<string, number> | null = null;
  #asking: readonly AskingTask[] = [];
  /** Monotonic: a wall clock that is set back silences nothing. */
  #lastToldMs = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> = Promise.resolve();
  #timer: Timer | null = null;
  #isClosed = false;

  constructor(options: TellQuestionsOptions) {
    this.#options = options;
  }

  /** `asking` is all that waits for a person now. One look at a time: two would tell the same. */
  look(asking: readonly AskingTask[]): Promise<void> {
    this.#asking = asking;
    const looked = this.#looking.then(() => this.#look());
    this.#looking = looked.catch(() => undefined);
    return looked;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#looking;
  }

  async #look(): Promise<void> {
    const asking = this.#asking;
    const { clock, store } = this.#options;
    if (asking.length === 0 && this.#told?.size === 0) return;
    this.#told ??= parseTold(await store.meta.get(toldName));
    const nowMs = clock.now();
    const open = new Set(asking.map(keyOf));
    const told = new Map([...this.#told].filter(([key]) => open.has(key)));
    const due = asking.filter((task) => stageAt(task, nowMs) > (told.get(keyOf(task)) ?? -1));
    if (due.length > 0 && this.#pausedMs() <= 0) {
      for (const stage of stagesMs.keys()) await this.#tell(due.filter((task) => stageAt(task, nowMs) === stage), stage);
      for (const task of due) told.set(keyOf(task), stageAt(task, nowMs));
      this.#lastToldMs = clock.monotonicMs();
    }
    await this.#keep(told);
    this.#arm(told, asking);
  }

  /** For how long what comes is collected yet. */
  #pausedMs(): number {
    return this.#lastToldMs + togetherMs - this.#options.clock.monotonicMs();
  }

  async #keep(told: ReadonlyMap<string, number>): Promise<void> {
    const kept = JSON.stringify(Object.fromEntries(told));
    if (kept === JSON.stringify(Object.fromEntries(this.#told ?? []))) return;
    await this.#options.store.write([{ type: "meta", name: toldName, value: Object.fromEntries(told) }]);
    this.#told = told;
  }

  #arm(told: ReadonlyMap<string, number>, asking: readonly AskingTask[]): void {
    const { clock, onError } = this.#options;
    this.#timer?.cancel();
    const instants = asking.flatMap((task) => {
      const afterMs = stagesMs[(told.get(keyOf(task)) ?? -1) + 1];
      return afterMs === undefined ? [] : [task.sinceMs + afterMs];
    });
    if (this.#isClosed || instants.length === 0) return;
    this.#timer = setWallTimer(clock, Math.max(0, instants.reduce((first, atMs) => Math.min(first, atMs)) - clock.now(), this.#pausedMs()), () => void this.look(this.#asking).catch(onError));
  }

  async #tell(tasks: readonly AskingTask[], stage: number): Promise<void> {
    const [first] = tasks;
    if (first === undefined) return;
    const { team, clock, alerting, questionsOf } = this.#options;
    const named = tasks.slice(0, namedMax);
    const questions = await questionsOf(named.map(({ taskId }) => taskId));
    const waited = stage === 0 ? "" : `, for ${formatDuration(stagesMs[stage] ?? 0)} now`;
    const title = tasks.length === 1 ? `${first.agent} waits for a person${waited}` : `${tasks.length} tasks wait for a person${waited}`;
    const lines = named.flatMap((task) => describe(task, questions.filter((question) => question.task.id === task.taskId)));
    const more = tasks.length > namedMax ? [`and ${tasks.length - namedMax} more`] : [];
    const notification: Notification = {
      // A crash between the message and its mark makes the same message again, of the same id.
      id: `n_${hashOf(`${stage} ${tasks.map(keyOf).toSorted().join(" ")}`)}`,
      atMs: clock.now(), team, agent: tasks.length === 1 ? first.agent : null, severity: stage === 2 ? "critical" : "warning", title,
      text: [...lines, ...more, "Next: `longhaul approve`."].join("\n"),
      data: { tasks: named.map(({ agent, taskId }) => ({ agent, task: taskId })), count: tasks.length },
    };
    await alerting.enqueue(notification);
  }
}

function keyOf({ taskId, sinceMs }: AskingTask): string {
  return `${taskId}@${sinceMs}`;
}

/** The last stage whose time has come. */
function stageAt({ sinceMs }: AskingTask, nowMs: number): number {
  return stagesMs.findLastIndex((afterMs) => nowMs >= sinceMs + afterMs);
}

function parseTold(stored: Json | null): ReadonlyMap<string, number> {
  return new Map(isJsonObject(stored) ? Object.entries(stored).map(([key, stage]) => [key, Number(stage)] as const) : []);
}

function describe({ agent, taskId }: AskingTask, questions: readonly OpenQuestion[]): readonly string[] {
  if (questions.length === 0) return [`${agent}: task ${taskId}`];
  return questions.map(({ kind, tool, arguments: given, calledAt, until }) => {
    const call = `${tool === null ? "a call" : quoteName(tool)}${given === null ? "" : ` ${cutText(quote(given), argumentsCharsMax)}`}`;
    return kind === "permission" ? `${agent} asks whether it may call ${call}${until === null ? "" : `, until ${until}`} (task ${taskId})` : `${agent} does not know whether ${call} happened${calledAt === null ? "" : `, which was made at ${calledAt}`} (task ${taskId})`;
  });
}
