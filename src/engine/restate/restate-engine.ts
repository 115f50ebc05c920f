import type { Clock } from "../../base/clock.ts";
import { withDeadline } from "../../base/deadline.ts";
import type { Json } from "../../base/json.ts";
import type { PostgresDatabase, PostgresSession } from "../../db/postgres.ts";
import type { CompletedStep } from "../../record/step.ts";
import type { NewTask, Task, TaskEnd } from "../../record/task.ts";
import type { Write } from "../../record/write.ts";
import type { DrainReport, Engine, EngineAgent, EngineDuty, EngineRetention, Execute, ObserveTask, RecoveryReport, Started, StartOptions, TaskFilter } from "../engine.ts";
import { defaultEngineLimits, type EngineLimits } from "../limits.ts";
import { engineClosed, engineDraining, resultAbandoned } from "../refusal.ts";
import { reasonOfEnd } from "../task-rules.ts";
import { Alarm } from "./alarm.ts";
import { Attempts } from "./attempts.ts";
import type { Effects } from "./change.ts";
import { giveSlots, queueParked, type Activation } from "./claim.ts";
import { Dispatch } from "./dispatch.ts";
import { countExhausted } from "./exhausted.ts";
import { ExpectedRuns } from "./expected-runs.ts";
import { FactStore } from "./facts.ts";
import { createRetention } from "./forget.ts";
import { LongRuns } from "./long-runs.ts";
import { Membership } from "./membership.ts";
import { News } from "./news.ts";
import { Outage } from "./outage.ts";
import { readPlace } from "./place.ts";
import { RestateClient, type RestateAddresses } from "./restate-client.ts";
import { RestateEndpoint } from "./restate-endpoint.ts";
import { createFetchEndpoint, type FetchHandler } from "./restate-fetch.ts";
import type { RestateHandler } from "./restate-services.ts";
import { Ringer } from "./ringer.ts";
import type { StoredTask } from "./tasks.ts";
import { TaskDesk } from "./task-desk.ts";
import { tellOthers } from "./tell-others.ts";
import { toldRarely } from "./told-rarely.ts";
import { Writer } from "./writer.ts";

export interface RestateEngineOptions {
  /** The team's name: services in Restate begin with it. */
  readonly team: string;
  /** Names this process, for people. Default: its pid. */
  readonly worker?: string;
  readonly restate: RestateAddresses;
  /** Where Restate calls this process, and under which address it finds it, when that is another: the one of a load balancer before all workers. */
  readonly endpoint: { readonly host: string; readonly port: number; readonly uri?: string; readonly identityKeys?: readonly string[] };
  readonly db: PostgresDatabase;
  readonly clock: Clock;
  readonly ids: (prefix: string) => string;
  /** Applies writes to the store's tables inside the open transaction. */
  readonly apply: (db: PostgresSession, writes: readonly Write[]) => Promise<void>;
  readonly observe: ObserveTask;
  /** Something was committed; these tasks ended with it. */
  readonly onCommit?: (ended: readonly Task[]) => void;
  /** True: `duty` is started and stopped by whoever knows whose it is. False: this process is the only one, and has it from `run` to `drain`. Default false. */
  readonly isDutyGiven?: boolean;
  /** Told of a bug of ours, and of what people have to mend: of each once a minute, however often it is met. */
  readonly onFault: (error: unknown) => void;
  /** Told, for people, that Restate calls the team at another address. */
  readonly onNotice?: (text: string) => void;
  readonly limits?: Partial<EngineLimits>;
  /** How often it is looked for what a process that died left undone; null: never. Default 5 s. */
  readonly sweepMs?: number | null;
  /** How long Restate waits at the most before it calls again what a dead process left. Default 2 s. */
  readonly recallMsMax?: number;
  /** How long Restate may keep silent, which is asked meanwhile, until a connection counts as lost. Default 20 s. */
  readonly silentMsMax?: number;
}

const sweepMsDefault = 5_000;
const recallMsDefault = 2_000;
const silentMsDefault = 20_000;
/** So many sweeps go by until a worker says again that it lives. */
const sweepsPerBeat = 2;
/** How long a process that stops waits for what others would find late. */
const partMsMax = 5_000;

export interface RestateEngine extends Engine {
  readonly duty: EngineDuty;
  /**
   * Executes these agents behind an HTTP handler of whatever platform, which Restate calls: a run is in memory while a request is. Nothing falls due by it; one worker
   * that runs (`run`) sees to waits, deadlines and schedules.
   */
  serve(agents: readonly EngineAgent[], execute: Execute): Promise<FetchHandler>;
  /** These workers died of exhausted memory: that is counted of the tasks that they had, once. Asked before `run`, so that it is known when this process goes on with them. */
  countExhausted(workers: readonly string[]): Promise<void>;
  /** True when nothing is under way here but bodies of steps. For tests. */
  isStill(): boolean;
  /** The tasks of which an attempt executes here. For tests. */
  held(): readonly string[];
  /** Cuts this process off from Restate, as its death would. For tests. */
  abandon(): Promise<void>;
}

/** The durable engine on Restate and PostgreSQL, in one of any number of processes. */
export function createRestateEngine(options: RestateEngineOptions): RestateEngine {
  return new RestateWorker(options);
}

/**
 * Which runs there are, what they came to and who has a slot is in PostgreSQL; what a run does while it has one is journaled by Restate, which also calls it again
 * elsewhere when its process dies. The parts: Writer makes changes, Dispatch asks for slots to be given, Alarm ends what is due, Attempts executes what Restate calls,
 * Ringer tells an activation that its wait has ended, Outage sees to a process that does not reach PostgreSQL.
 */
class RestateWorker implements RestateEngine, RestateHandler {
  readonly duty: EngineDuty;
  readonly retention: EngineRetention;
  readonly waits: Engine["waits"] = (reason) => this.#desk.waits(reason);
  readonly runs: Engine["runs"] = (taskId) => this.#desk.runs(taskId);
  readonly #options: RestateEngineOptions;
  readonly #limits: EngineLimits;
  readonly #client: RestateClient;
  readonly #writer: Writer;
  readonly #desk: TaskDesk;
  readonly #facts: FactStore;
  readonly #dispatch: Dispatch;
  readonly #ringer: Ringer;
  readonly #alarm: Alarm;
  readonly #attempts: Attempts;
  readonly #news: News;
  readonly #outage: Outage;
  readonly #membership: Membership;
  readonly #agents = new Map<string, EngineAgent>();
  readonly #expected: ExpectedRuns;
  #execute: Execute | null = null;
  #endpoint: RestateEndpoint | null = null;
  /** True when Restate knows the endpoint: before, it has to be let in to learn what there is. */
  #isKnown = false;
  #state: "open" | "draining" | "closed" = "open";
  #draining: Promise<DrainReport> | null = null;

  constructor(options: RestateEngineOptions) {
    const { db, clock, ids, apply, observe, worker = `pid ${process.pid}`, sweepMs = sweepMsDefault } = options;
    const onFault = toldRarely(clock, options.onFault);
    this.#options = { ...options, onFault };
    this.#limits = { ...defaultEngineLimits, ...options.limits };
    this.#client = new RestateClient(options.restate, clock);
    this.#expected = new ExpectedRuns(clock);
    this.#writer = new Writer({ db, clock, limits: this.#limits, apply, observe, tell: tellOthers, onFault, onCommitted: (effects) => this.#onCommitted(effects) });
    this.#desk = new TaskDesk({ writer: this.#writer, ids, queueMax: this.#queueMax });
    this.#facts = new FactStore(this.#writer, clock, (error) => this.#state === "closed" || onFault(error));
    this.#outage = new Outage({
      clock, db, ids, onFault,
      writer: this.#writer, client: this.#client, team: options.team,
      // One that drains has shut it for good.
      endpoint: () => (this.#state === "open" ? this.#endpoint : null),
      onBack: () => this.#dispatch.ask(this.#agents.keys()),
      onTakenInVain: (activations) => this.#attempts.keep(activations),
    });
    this.#attempts = new Attempts({
      clock, ids, worker,
      writer: this.#writer, facts: this.#facts, limits: this.#limits, calls: this.#outage.calls, agents: this.#agents, queueMax: this.#queueMax,
      execute: () => (this.#state === "open" ? this.#execute : null),
      isListening: () => this.#state !== "closed" && this.#endpoint !== null,
      onBegun: (runId) => this.#expected.remove(runId),
    });
    this.#dispatch = new Dispatch(this.#client, options.team);
    this.#ringer = new Ringer(this.#client, this.#writer);
    const longRuns = new LongRuns({ clock, writer: this.#writer, client: this.#client, team: options.team });
    this.#alarm = new Alarm({
      clock, onFault, sweepMs,
      writer: this.#writer,
      onReady: (agents) => this.#dispatch.ask(agents),
      onSilentBells: (bells) => this.#ringer.ring(bells),
      onSweep: () => longRuns.look(),
    });
    this.#news = new News({
      writer: this.#writer, clock, onFault, sweepMs,
      watched: () => new Set([...this.#desk.waiters.taskIds, ...this.#attempts.live.taskIds]),
      onTask: (task) => this.#onTask(task),
      onDue: (atMs) => this.#alarm.note(atMs),
      onWork: () => this.#alarm.look(),
    });
    const { onNotice = () => undefined, team } = options;
    this.#membership = new Membership({ team, worker, clock, db, onNotice, client: this.#client, restate: options.restate, identityKeys: options.endpoint.identityKeys ?? [], beatMs: sweepMs === null ? null : sweepMs * sweepsPerBeat });
    this.retention = createRetention(this.#writer);
    this.duty = { start: () => this.#startDuty(), stop: () => this.#stopDuty() };
  }

  countExhausted(workers: readonly string[]): Promise<void> {
    return this.#writer.persist((change) => countExhausted(change, workers));
  }

  async serve(agents: readonly EngineAgent[], execute: Execute): Promise<FetchHandler> {
    await this.#take(agents, execute);
    const { team, endpoint, recallMsMax = recallMsDefault } = this.#options;
    // Of many instances each would keep a connection to be told at once.
    this.#news.watch();
    return createFetchEndpoint({ team, handler: this, recallMsMax, place: await readPlace(this.#options.db), identityKeys: endpoint.identityKeys ?? [] });
  }

  async run(agents: readonly EngineAgent[], execute: Execute): Promise<RecoveryReport> {
    await this.#take(agents, execute);
    const { team, endpoint, db, onFault, recallMsMax = recallMsDefault, silentMsMax = silentMsDefault } = this.#options;
    this.#news.listen(db);
    const opened = await RestateEndpoint.open({ team, handler: this, recallMsMax, silentMsMax, onFault, place: await readPlace(db), ...endpoint });
    if (this.#state !== "open") {
      await opened.close();
      throw engineClosed();
    }
    this.#endpoint = opened;
    await this.#membership.join(endpoint.uri ?? `http://${bracketed(endpoint.host)}:${opened.port}`, endpoint.uri !== undefined);
    this.#isKnown = true;
    // A drain may have come meanwhile: what is queued is another worker's.
    if (this.#state !== "open") {
      opened.withdraw();
      return { resumed: 0, quarantined: 0 };
    }
    if (this.#options.isDutyGiven !== true) await this.#startDuty();
    this.#dispatch.ask(this.#agents.keys());
    // Restate calls by itself what another process left.
    return { resumed: 0, quarantined: 0 };
  }

  async claim(agentName: string, claim: string): Promise<readonly Activation[]> {
    // Restate asks another worker.
    if (this.#state !== "open") throw engineClosed();
    const agent = this.#agents.get(agentName);
    if (agent === undefined) return [];
    // While it waited for PostgreSQL it would keep the agent's slots from all.
    const { clock, ids: newId, onFault } = this.#options;
    const claimed = await this.#outage.orTurnedAway(() => giveSlots({ writer: this.#writer, clock, newId, onFault }, agent, claim));
    for (const { runId } of claimed) this.#expected.add(runId);
    return claimed;
  }

  async take(activations: readonly Activation[]): Promise<void> {
    if (this.#state !== "open") throw engineClosed();
    await this.#outage.take(activations);
  }

  readonly activate: RestateHandler["activate"] = async (context, activation) => {
    this.#outage.assertThere();
    await this.#attempts.activate(context, activation);
  };
  readonly suspended: RestateHandler["suspended"] = (invocationId) => this.#attempts.suspended(invocationId);
  readonly mismatched: RestateHandler["mismatched"] = (invocationId) => this.#attempts.mismatched(invocationId);
  readonly noted: RestateHandler["noted"] = (invocationId) => this.#attempts.noted(invocationId);

  async start(task: NewTask, options: StartOptions = {}): Promise<Started> {
    this.#assertOpen();
    if (this.#state === "draining") throw engineDraining(task.id);
    return await this.#desk.start(task, options);
  }

  get(taskId: string): Promise<Task | null> {
    return this.#desk.get(taskId);
  }

  list(filter: TaskFilter): Promise<readonly Task[]> {
    return this.#desk.list(filter);
  }

  async steps(runId: string): Promise<readonly CompletedStep[]> {
    await this.#facts.flushed();
    return await this.#desk.steps(runId);
  }

  taskOfRun(runId: string): Promise<Task | null> {
    return this.#desk.taskOfRun(runId);
  }

  async result(taskId: string, signal?: AbortSignal): Promise<TaskEnd> {
    this.#assertOpen();
    this.#news.listen(this.#options.db);
    return await this.#desk.result(taskId, signal);
  }

  async signal(runId: string, name: string, payload: Json, id: string): Promise<boolean> {
    this.#assertOpen();
    return await this.#desk.signal(runId, name, payload, id);
  }

  async cancel(taskId: string, reason: string): Promise<boolean> {
    this.#assertOpen();
    return await this.#desk.cancel(taskId, reason);
  }

  async restart(taskId: string, options: StartOptions = {}): Promise<Task> {
    this.#assertOpen();
    return await this.#desk.restart(taskId, options);
  }

  async skip(taskId: string, writes: readonly Write[] = []): Promise<Task> {
    this.#assertOpen();
    return await this.#desk.skip(taskId, writes);
  }

  drain(timeoutMs: number): Promise<DrainReport> {
    this.#draining ??= this.#drain(timeoutMs);
    return this.#draining;
  }

  isQuiet(): boolean {
    return this.isStill() && this.#attempts.live.isAtRest;
  }

  readonly isTelling = (): boolean => this.#attempts.live.isTelling;

  held(): readonly string[] {
    return [...this.#attempts.live.taskIds];
  }

  isStill(): boolean {
    return this.#writer.isIdle && this.#facts.isIdle && this.#dispatch.isIdle && this.#ringer.isIdle && this.#news.isIdle && this.#alarm.isIdle && this.#expected.isEmpty;
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    await this.drain(0);
    this.#state = "closed";
    this.#desk.waiters.refuseAll(resultAbandoned());
    this.#outage.close();
    this.#dispatch.stop();
    await this.#endpoint?.close();
    this.#news.close();
    this.#facts.close();
    this.#writer.close();
  }

  async abandon(): Promise<void> {
    this.#state = "closed";
    this.#attempts.suspects.close();
    this.#outage.close();
    this.#dispatch.stop();
    this.#membership.stop();
    this.#alarm.stop();
    await this.#endpoint?.close();
    this.#news.close();
    this.#facts.close();
    this.#writer.close();
  }

  readonly #queueMax = (agent: string): number => this.#agents.get(agent)?.queueMax ?? this.#limits.queueUnknownAgentMax;

  /** From now on this process executes these agents. Runs that other code could not go on with are tried with this. */
  async #take(agents: readonly EngineAgent[], execute: Execute): Promise<void> {
    this.#assertOpen();
    for (const agent of agents) this.#agents.set(agent.name, agent);
    this.#execute = execute;
    await this.#writer.persist((change) => queueParked(change, agents));
  }

  async #drain(timeoutMs: number): Promise<DrainReport> {
    this.#state = "draining";
    if (this.#isKnown) this.#endpoint?.withdraw();
    this.#expected.clear();
    this.#attempts.suspects.close();
    this.#stopDuty();
    const gone = this.#orLeft(() => this.#membership.leave());
    const report = await this.#attempts.live.drain(this.#options.clock, timeoutMs);
    // What was about to begin is given back.
    await this.#orLeft(() => this.#outage.calls.ended());
    // What Restate is not told before this process ends, others find by a sweep only: slots that are free, runs that were given back, waits that ended.
    await this.#orLeft(() => Promise.all([this.#dispatch.leave(), this.#ringer.settled()]));
    await gone;
    return report;
  }

  #startDuty(): Promise<void> {
    this.#membership.setDuties(true);
    return this.#alarm.start();
  }

  #stopDuty(): void {
    this.#membership.setDuties(false);
    this.#alarm.stop();
  }

  /** What does not come to its end within 5 s is left as a crash would leave it. */
  async #orLeft(work: () => Promise<unknown>): Promise<void> {
    await withDeadline({ clock: this.#options.clock, timeoutMs: partMsMax, onTimeout: engineClosed }, work).catch(() => undefined);
  }

  #onCommitted({ agents, ended, bells, hasCleared, dueAtMs }: Effects): void {
    for (const { id, runId, end } of ended) {
      if (runId !== null) this.#attempts.live.end(id, runId, reasonOfEnd(id, end));
      this.#desk.waiters.wake(id, end);
    }
    this.#ringer.ring(bells);
    this.#dispatch.ask(agents);
    if (hasCleared || agents.size > 0) this.#attempts.suspects.wake();
    this.#alarm.note(dueAtMs);
    this.#options.onCommit?.(ended);
  }

  #onTask(task: StoredTask): void {
    this.#attempts.live.hear(task);
    if (task.end !== null) this.#desk.waiters.wake(task.id, task.end);
  }

  #assertOpen(): void {
    if (this.#state === "closed") throw engineClosed();
  }
}

/** As an address writes a host: IPv6 stands in brackets. */
function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
