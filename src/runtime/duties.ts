import { createOutboxSender, type OutboxSender } from "../act/outbox.ts";
import { createWatchdog, type Watchdog } from "../act/watchdog.ts";
import type { Clock } from "../base/clock.ts";
import { isLonghaulError, messageOf } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import { isEnded, type Task, type WaitingReason } from "../record/task.ts";
import type { Write } from "../record/write.ts";
import { budgetSignal } from "../run/parked.ts";
import type { Store } from "../store/store.ts";
import { createScheduler, type Scheduler } from "../trigger/scheduler.ts";
import { type Alerting, createAlerting } from "./alerting.ts";
import { AwakeSince } from "./awake-since.ts";
import { listOpenQuestions, questionSource } from "./open-questions.ts";
import { beginDiskWatch } from "./begin-disk-watch.ts";
import { RestateAlarm } from "./restate-alarm.ts";
import { tellOfRestore } from "./restore-mark.ts";
import { type Retention, startRetention } from "./retention.ts";
import { forgetTeamBackup, startTeamBackup, type TeamBackup } from "./team-backup.ts";
import { type AskingTask, QuestionTeller } from "./tell-questions.ts";
import { tellOfChangedTools } from "./tell-changed-tools.ts";
import { manifestName } from "./manifest.ts";
import { createTeamObserver, type JudgedAgent, observeTeam } from "./observe-team.ts";
import { type TeamParts, teamRecord } from "./team-parts.ts";
import { describeEnds } from "./worker-ends.ts";

/** What one process at a time does for the whole team: it fires triggers, judges, tells people. */
export interface Duties {
  readonly scheduler: Scheduler;
  readonly alerting: Pick<Alerting, "enqueue">;
  readonly sender: OutboxSender;
  close(): Promise<void>;
}

/** What tells people. */
export interface Telling {
  readonly sender: OutboxSender;
  readonly alerting: Alerting;
}

/** A team whose duties this process has. */
interface OnDuty {
  readonly parts: TeamParts;
  /** Refuses what is written for a duty that another process has taken over. */
  readonly store: Store;
  /** What makes a commit of the engine refuse it too. */
  readonly guards: readonly Write[];
}

export interface DutyOptions {
  /** Go with whatever is written for them. */
  readonly guards?: readonly Write[];
  /** What tells people already. */
  readonly telling?: Telling | null;
}

/** When one of them cannot begin, those that had begun are ended. */
export async function startDuties(parts: TeamParts, { guards = [], telling = null }: DutyOptions): Promise<Duties> {
  const store = guardStore(parts.data.store, guards);
  const duty: OnDuty = { parts, guards, store };
  const begun: { close(): Promise<void> }[] = [];
  // Recovery may have taken long, and on a cluster the duties may have been nobody's for a while.
  parts.manifest = { ...parts.manifest, firesSinceMs: parts.clock.now() };
  const close = async (): Promise<void> => {
    parts.onCommit.listener = null;
    for (const duty of begun.toReversed()) await duty.close();
  };
  try {
    const { sender, alerting } = telling ?? (await startTelling(duty));
    begun.push(sender);
    const open = await parts.data.engine.list({ statuses: ["queued", "waiting"], limit: openTasksMax });
    await wakeForBudget(parts, open);
    await tellOfStrangers(duty, alerting, open);
    await tellOfRestore({ team: parts.name, clock: parts.clock, store: duty.store, alerting });
    const questions = createQuestionTeller(duty, alerting);
    const watchdog = startWatchdog(duty, alerting, questions);
    const retention = beginRetention(duty);
    begun.push(questions, watchdog, retention, ...startBackup(duty, alerting));
    const disk = await beginDiskWatch(parts, store, alerting);
    if (disk !== null) begun.push(disk);
    begun.push(...(await startRestateAlarm(duty)));
    parts.onCommit.listener = () => {
      watchdog.changed();
      retention.changed();
      disk?.changed();
    };
    const scheduler = await startScheduler(duty);
    begun.push(scheduler);
    return { scheduler, alerting, sender, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Open tasks that are looked at when a team starts. */
const openTasksMax = 10_000;

/** Budgets may have been raised since these runs stopped for want of one. */
async function wakeForBudget({ data, ids }: TeamParts, open: readonly Task[]): Promise<void> {
  const short = open.filter((task) => task.waitingReason === "budget" && task.runId !== null);
  await Promise.all(short.map((task) => data.engine.signal(task.runId ?? "", budgetSignal, null, ids("s"))));
}

/** Tasks of agents that this team does not have, after a rename or a removal: nobody will ever run them, and no agent's health shows them. */
async function tellOfStrangers({ parts, store }: OnDuty, alerting: Alerting, open: readonly Task[]): Promise<void> {
  const { clock, ids, name, workers } = parts;
  const strangers = new Set(open.map((task) => task.agent).filter((agent) => !workers.has(agent)));
  for (const agent of strangers) {
    const count = open.filter((task) => task.agent === agent).length;
    const title = `${count} open ${count === 1 ? "task waits" : "tasks wait"} for ${agent}, which ${name} does not have`;
    await store.write([teamRecord(parts, { event_type: "error", agent_id: agent, result: "unknown-agent", reason: title })]);
    const text = `Nobody runs them. Next: give the agent its name back, or cancel them; longhaul ps lists them.`;
    await alerting.enqueue({ id: ids("n"), atMs: clock.now(), team: name, agent, severity: "warning", title, text, data: { count } });
  }
}

/** For how long work waits for people to be told. */
const tellFirstMs = 1_000;

/**
 * Tells people how the processes before this one ended (`startWrites`), before anything executes: what ended them may end this one too, before it has told anything, or
 * between a message and its mark, and then the next one tells it again.
 */
export async function tellEndsFirst(parts: TeamParts): Promise<Telling> {
  const telling = await startTelling({ parts, store: parts.data.store });
  if (describeEnds(parts).length > 0) await settleSoon(telling.sender, parts.clock);
  return telling;
}

/** Resolves when what is due was sent, or when that takes too long to be waited for. */
export async function settleSoon(sender: OutboxSender, clock: Clock): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = clock.setTimer(tellFirstMs, late.resolve);
  await Promise.race([sender.settled(), late.promise]);
  timer.cancel();
}

async function startTelling({ parts, store }: Pick<OnDuty, "parts" | "store">): Promise<Telling> {
  const { clock, ids, name, notifiers, options } = parts;
  let sender: OutboxSender | null = null;
  const alerting = await createAlerting({ team: name, clock, ids, store, notifiers: notifiers.keys(), onQueued: () => sender?.wake() });
  sender = createOutboxSender({
    clock,
    random: options.random.split("outbox"),
    outbox: store.outbox,
    notifiers,
    onRecord: (fields) => reportFailure(parts, store.write([teamRecord(parts, fields)])),
    enqueue: (notification, exceptNotifier) => alerting.enqueue(notification, exceptNotifier),
  });
  return { sender, alerting };
}

/** Where the data is this process's own. */
function startBackup({ parts, store }: OnDuty, alerting: Alerting): readonly TeamBackup[] {
  const { data, options, name, clock, ids, spec } = parts;
  const { dataDirectory: directory, makesBackups = true } = options;
  if (data.shared !== null || directory === null || !makesBackups) return [];
  if (spec.backup === undefined) {
    forgetTeamBackup(directory);
    return [];
  }
  return [startTeamBackup({ team: name, spec: spec.backup, directory, clock, ids, alerting, record: (fields) => reportFailure(parts, store.write([teamRecord(parts, fields)])) })];
}

/** Where there is a Restate. */
async function startRestateAlarm({ parts, store }: OnDuty): Promise<readonly RestateAlarm[]> {
  const { data, clock, name: team, notifiers, options } = parts;
  if (data.shared === null) return [];
  const { shared } = data;
  const onError = (error: unknown): void => {
    if (!isLeaseLost(error)) options.print(`Whether workers reach Restate could not be told: ${messageOf(error)}`);
  };
  return [await RestateAlarm.start({ team, clock, store, notifiers: [...notifiers.keys()], workers: () => shared.workers(), onError })];
}

function createQuestionTeller({ parts, store }: OnDuty, alerting: Alerting): QuestionTeller {
  const { engine } = parts.data;
  return new QuestionTeller({
    team: parts.name, clock: parts.clock, store, alerting,
    questionsOf: async (taskIds) => listOpenQuestions(questionSource(engine, store.records), await Promise.all(taskIds.map(async (id) => (await engine.get(id))?.runId ?? null))),
    onError: (error) => parts.options.print(`People could not be told what waits for them: ${messageOf(error)}`),
  });
}

/** While the database was away nothing could fire: it is expected from when it was back on. */
function sinceMended({ storage, clock }: TeamParts, agents: readonly JudgedAgent[]): readonly JudgedAgent[] {
  const sinceMs = storage.failingSinceMs === null ? storage.mendedAtMs : clock.now();
  if (sinceMs === null) return agents;
  return agents.map(({ observation, expectation }) => ({ expectation, observation: { ...observation, observedSinceMs: Math.max(observation.observedSinceMs, sinceMs) } }));
}

/** Tasks that go on only when a person says so. */
const asksPeople = (reason: WaitingReason): boolean => reason === "human" || reason === "unknown-effect";

function startWatchdog({ parts, store }: OnDuty, alerting: Alerting, questions: QuestionTeller): Watchdog {
  const { data, clock } = parts;
  const source = { tasksOf: parts.agentTasks.of, store };
  const observe = data.shared !== null ? (nowMs: number) => observeTeam(source, parts.manifest, nowMs) : createTeamObserver(source, () => parts.manifest, () => parts.commits.count);
  const awake = new AwakeSince(clock);
  const hasServers = [...parts.workers.values()].some(({ spec }) => spec.tools?.some(({ kind }) => kind === "mcp") === true);
  let asking: readonly AskingTask[] = [];
  return createWatchdog({
    clock,
    ...(data.shared === null ? {} : { whenSlow: "See whether PostgreSQL answers, and how fast." }),
    async observe() {
      if (awake.look()) await noteSleep(parts, store, awake.sinceMs);
      const agents = data.shared === null ? await observe(clock.now()) : sinceMended(parts, await observe(clock.now()));
      asking = agents.flatMap(({ observation: { agent, waiting } }) => waiting.filter(({ reason }) => asksPeople(reason)).map(({ taskId, sinceMs }) => ({ agent, taskId, sinceMs })));
      return agents;
    },
    async onVerdict(verdicts) {
      await alerting.judged(verdicts);
      await questions.look(asking);
      if (hasServers) await tellOfChangedTools({ team: parts.name, clock, store, alerting });
    },
    onBlind: (error) => alerting.judged([], error.message),
  });
}

function beginRetention({ parts, store }: OnDuty): Retention {
  const { clock, data, retention: policy, options } = parts;
  const { engine, upkeep, shared } = data;
  return startRetention({ clock, policy, engine, store, upkeep, isShared: shared !== null, onError: (error) => options.print(`What is past its time could not all be forgotten, and is tried again: ${messageOf(error)}`) });
}

/** The commands judge too, by what is in the file. The commit of it makes the next observation a new one. */
async function noteSleep(parts: TeamParts, store: Store, awakeSinceMs: number): Promise<void> {
  parts.manifest = { ...parts.manifest, awakeSinceMs };
  await store.write([{ type: "meta", name: manifestName, value: parts.manifest as unknown as Json }]);
}

async function startScheduler({ parts, store, guards }: OnDuty): Promise<Scheduler> {
  const { data, clock, ids, name, options, registrations, workers } = parts;
  const scheduler = createScheduler({
    clock,
    random: options.random.split("scheduler"),
    team: name,
    registrations,
    states: await store.triggers.all(),
    taskId: () => ids("t"),
    start: ({ task, writes }) => {
      const nowMs = clock.now();
      const deadlineMs = workers.get(task.agent)?.limits.deadlineMs ?? 0;
      return data.engine.start({ ...task, priority: 0, notBeforeAtMs: 0, deadlineAtMs: nowMs + deadlineMs, depth: 0 }, { writes: [...guards, ...writes] });
    },
    write: (writes) => store.write(writes),
    taskIsOpen: async (last) => {
      if (parts.agentTasks.hasEnded(last)) return false;
      const task = await data.engine.get(last.id);
      return task !== null && !isEnded(task.status);
    },
    onError: (error, triggerId) => reportFailure(parts, store.write([teamRecord(parts, { event_type: "error", result: "error", reason: `trigger ${triggerId}: ${messageOf(error)}` })])),
  });
  await scheduler.open();
  return scheduler;
}

/** A record that cannot be written is at least said; one of a duty that another process has by now is that one's to write. */
function reportFailure({ options }: TeamParts, written: Promise<void>): void {
  written.catch((error: unknown) => {
    if (!isLeaseLost(error)) options.print(`A record could not be written: ${messageOf(error)}`);
  });
}

/** The store as a duty writes to it: whatever it writes is refused by `guards` when the duty is another process's. */
function guardStore(store: Store, guards: readonly Write[]): Store {
  if (guards.length === 0) return store;
  const { outbox, meta } = store;
  return {
    ...store,
    write: (writes) => store.write([...guards, ...writes]),
    outbox: {
      ...outbox,
      delivered: (id, atMs) => outbox.delivered(id, atMs, guards),
      failed: (id, attempt) => outbox.failed(id, attempt, guards),
    },
    meta: { ...meta, set: (name, value) => store.write([...guards, { type: "meta", name, value }]) },
  };
}

function isLeaseLost(error: unknown): boolean {
  return isLonghaulError(error) && error.code === "STORE_LEASE_LOST";
}
