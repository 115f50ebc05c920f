import { createOutboxSender, type OutboxSender } from "../act/outbox.ts";
import { createWatchdog, type Watchdog } from "../act/watchdog.ts";
import { messageOf } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import type { RecoveryReport } from "../engine/engine.ts";
import { isEnded, type Task } from "../record/task.ts";
import { executeTask } from "../run/execute-task.ts";
import { loopVersion } from "../run/loop-version.ts";
import { budgetSignal } from "../run/parked.ts";
import { createScheduler, type Scheduler } from "../trigger/scheduler.ts";
import { type Alerting, createAlerting } from "./alerting.ts";
import { AwakeSince } from "./awake-since.ts";
import { findOutOfMemory, removeFatalReport } from "./fatal-report.ts";
import { manifestName } from "./manifest.ts";
import { createTeamObserver } from "./observe-team.ts";
import { type TeamParts, teamRecord } from "./team-parts.ts";

/** What goes on by itself while a team runs. */
export interface Running {
  readonly scheduler: Scheduler;
  close(): Promise<void>;
}

/** Recovers, then begins to run tasks, to fire triggers, to judge and to tell. */
export async function startParts(parts: TeamParts): Promise<{ readonly running: Running; readonly report: RecoveryReport }> {
  const { data, workers, services, manifest, write } = parts;
  await data.store.meta.set(manifestName, manifest as unknown as Json);
  await write([teamRecord(parts, { event_type: "start", result: "started", data: { agents: [...workers.keys()] } })]);
  const agents = [...workers.values()].map(({ name, version, limits }) => ({ name, version, loopVersion, concurrency: limits.concurrency, queueMax: limits.queueMax }));
  const { dataDirectory } = parts.options;
  const ranOutOfMemory = dataDirectory !== null && findOutOfMemory(dataDirectory);
  const report = await data.engine.run(agents, (context) => executeTask(services, context), { ranOutOfMemory });
  if (dataDirectory !== null) removeFatalReport(dataDirectory);
  return { report, running: await startDuties(parts) };
}

/** What goes on beside the tasks. When one of them cannot begin, those that had begun are ended. */
async function startDuties(parts: TeamParts): Promise<Running> {
  const begun: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    parts.onCommit.listener = null;
    for (const duty of begun.toReversed()) await duty.close();
  };
  try {
    const { sender, alerting } = await startTelling(parts);
    begun.push(sender);
    const open = await parts.data.engine.list({ statuses: ["queued", "waiting"], limit: openTasksMax });
    await wakeForBudget(parts, open);
    await tellOfStrangers(parts, alerting, open);
    begun.push(startWatchdog(parts, alerting));
    const scheduler = await startScheduler(parts);
    begun.push(scheduler);
    return { scheduler, close };
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
async function tellOfStrangers(parts: TeamParts, alerting: Alerting, open: readonly Task[]): Promise<void> {
  const { clock, ids, name, workers, write } = parts;
  const strangers = new Set(open.map((task) => task.agent).filter((agent) => !workers.has(agent)));
  for (const agent of strangers) {
    const count = open.filter((task) => task.agent === agent).length;
    const title = `${count} open ${count === 1 ? "task waits" : "tasks wait"} for ${agent}, which ${name} does not have`;
    await write([teamRecord(parts, { event_type: "error", agent_id: agent, result: "unknown-agent", reason: title })]);
    const text = `Nobody runs them. Next: give the agent its name back, or cancel them; longhaul ps lists them.`;
    await alerting.enqueue({ id: ids("n"), atMs: clock.now(), team: name, agent, severity: "warning", title, text, data: { count } });
  }
}

async function startTelling(parts: TeamParts): Promise<{ readonly sender: OutboxSender; readonly alerting: Alerting }> {
  const { data, clock, ids, name, notifiers, options, write } = parts;
  let sender: OutboxSender | null = null;
  const alerting = await createAlerting({ team: name, clock, ids, store: data.store, notifiers: notifiers.keys(), onQueued: () => sender?.wake() });
  sender = createOutboxSender({
    clock,
    random: options.random.split("outbox"),
    outbox: data.store.outbox,
    notifiers,
    onRecord: (fields) => reportFailure(parts, write([teamRecord(parts, fields)])),
    enqueue: (notification, exceptNotifier) => alerting.enqueue(notification, exceptNotifier),
  });
  return { sender, alerting };
}

function startWatchdog(parts: TeamParts, alerting: Alerting): Watchdog {
  const { data, clock } = parts;
  const observe = createTeamObserver({ tasksOf: parts.agentTasks.of, store: data.store }, () => parts.manifest, () => parts.commits.count);
  const awake = new AwakeSince(clock);
  const watchdog = createWatchdog({
    clock,
    async observe() {
      if (awake.look()) await noteSleep(parts, awake.sinceMs);
      return observe(clock.now());
    },
    onVerdict: (verdicts) => alerting.judged(verdicts),
    onBlind: (error) => alerting.judged([], error.message),
  });
  parts.onCommit.listener = () => watchdog.changed();
  return watchdog;
}

/** The commands judge too, by what is in the file. The commit of it makes the next observation a new one. */
async function noteSleep(parts: TeamParts, awakeSinceMs: number): Promise<void> {
  parts.manifest = { ...parts.manifest, awakeSinceMs };
  await parts.data.store.write([{ type: "meta", name: manifestName, value: parts.manifest as unknown as Json }]);
}

async function startScheduler(parts: TeamParts): Promise<Scheduler> {
  const { data, clock, ids, name, options, registrations, workers, write } = parts;
  const scheduler = createScheduler({
    clock,
    random: options.random.split("scheduler"),
    team: name,
    registrations,
    states: await data.store.triggers.all(),
    taskId: () => ids("t"),
    start: ({ task, writes }) => {
      const nowMs = clock.now();
      const deadlineMs = workers.get(task.agent)?.limits.deadlineMs ?? 0;
      return data.engine.start({ ...task, priority: 0, notBeforeAtMs: 0, deadlineAtMs: nowMs + deadlineMs, depth: 0 }, { writes });
    },
    write,
    taskIsOpen: async (last) => {
      if (parts.agentTasks.hasEnded(last)) return false;
      const task = await data.engine.get(last.id);
      return task !== null && !isEnded(task.status);
    },
    onError: (error, triggerId) => reportFailure(parts, write([teamRecord(parts, { event_type: "error", result: "error", reason: `trigger ${triggerId}: ${messageOf(error)}` })])),
  });
  await scheduler.open();
  return scheduler;
}

/** A record that cannot be written is at least said. */
function reportFailure({ options }: TeamParts, written: Promise<void>): void {
  written.catch((error: unknown) => options.print(`A record could not be written: ${messageOf(error)}`));
}
