import type { WorkflowContext } from "@restatedev/restate-sdk";
import { orAborted } from "../../base/abort.ts";
import type { Clock } from "../../base/clock.ts";
import { withDeadline } from "../../base/deadline.ts";
import type { Json } from "../../base/json.ts";
import { macrotask } from "../../base/turn.ts";
import type { PostgresDatabase, PostgresSession } from "../../db/postgres.ts";
import type { CompletedStep } from "../../record/step.ts";
import type { NewTask, Task, TaskEnd } from "../../record/task.ts";
import type { Write } from "../../record/write.ts";
import { codeVersionOf } from "../code-version.ts";
import type { DrainReport, Engine, EngineAgent, EngineDuty, EngineRetention, Execute, ObserveTask, RecoveryReport, Started, StartOptions, TaskFilter } from "../engine.ts";
import { defaultEngineLimits, type EngineLimits } from "../limits.ts";
import { engineClosed, engineDraining, resultAbandoned } from "../refusal.ts";
import { reasonOfEnd } from "../task-rules.ts";
import { LiveActivation } from "./activation.ts";
import { Alarm } from "./alarm.ts";
import { beginnings } from "./begin.ts";
import type { Call } from "./calls.ts";
import type { Change, Effects } from "./change.ts";
import { claimReady, type Activation } from "./claim.ts";
import { Dispatch } from "./dispatch.ts";
import { FactStore } from "./facts.ts";
import { createRetention } from "./forget.ts";
import { handOn } from "./hand-on.ts";
import { LiveActivations } from "./live-activations.ts";
import { News } from "./news.ts";
import { Outage } from "./outage.ts";
import { callRecorded } from "./recorded.ts";
import { RestateClient, type RestateAddresses } from "./restate-client.ts";
import { RestateEndpoint } from "./restate-endpoint.ts";
import { createFetchEndpoint, type FetchHandler } from "./restate-fetch.ts";
import type { RestateHandler } from "./restate-services.ts";
import { Ringer } from "./ringer.ts";
import { Suspects } from "./suspects.ts";
import { lockParkedByOtherVersion, markChanged, markSuspended } from "./tasks.ts";
import { TaskDesk } from "./task-desk.ts";
import { tellOthers } from "./tell-others.ts";
import { moveTask } from "./transition.ts";
import { Writer } from "./writer.ts";

export interface RestateEngineOptions {
  /** The team's name: services in Restate begin with it. */
  readonly team: string;
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
  /** Told of a bug of ours. */
  readonly onFault: (error: unknown) => void;
  readonly limits?: Partial<EngineLimits>;
  /** How often it is looked for what a process that died left undone; null: never. Default 5 s. */
  readonly sweepMs?: number | null;
  /** How long Restate waits at the most before it calls again what a dead process left. Default 2 s. */
  readonly recallMsMax?: number;
}

const sweepMsDefault = 5_000;
const recallMsDefault = 2_000;
/** How long a process that stops waits until Restate has what it tells. */
const partMsMax = 5_000;
/** Turns of the event loop in which the SDK tells of a suspension, after it has ended its answer. */
const noticeTurns = 3;

export interface RestateEngine extends Engine {
  readonly duty: EngineDuty;
  /**
   * Executes these agents behind an HTTP handler of whatever platform, which Restate calls: a run is in memory while a request is. Nothing falls due by it; one worker
   * that runs (`run`) sees to waits, deadlines and schedules.
   */
  serve(agents: readonly EngineAgent[], execute: Execute): Promise<FetchHandler>;
  /** True when nothing is under way here but bodies of steps. For tests. */
  isStill(): boolean;
  /** Cuts this process off from Restate, as its death would. For tests. */
  abandon(): Promise<void>;
}

/** The durable engine on Restate and PostgreSQL, in one of any number of processes. */
export function createRestateEngine(options: RestateEngineOptions): RestateEngine {
  return new RestateWorker(options);
}

/**
 * Which runs there are, what they came to and who has a slot is in PostgreSQL; what a run does while it has one is journaled by Restate, which also calls it again
 * elsewhere when its process dies. The parts: Writer makes changes, Dispatch asks for slots to be given, Alarm ends what is due, LiveActivations holds what is in memory,
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
  readonly #suspects: Suspects;
  readonly #news: News;
  readonly #outage: Outage;
  readonly #live = new LiveActivations();
  readonly #agents = new Map<string, EngineAgent>();
  /** Runs that were given a slot here and have not begun here. */
  readonly #expected = new Set<string>();
  /** Why attempts ended without a crash, while it is being noted. */
  readonly #noting = new Set<Promise<void>>();
  #execute: Execute | null = null;
  #endpoint: RestateEndpoint | null = null;
  /** True when Restate knows the endpoint: before, it has to be let in to learn what there is. */
  #isKnown = false;
  #state: "open" | "draining" | "closed" = "open";
  #draining: Promise<DrainReport> | null = null;

  constructor(options: RestateEngineOptions) {
    const { db, clock, apply, observe, onFault, sweepMs = sweepMsDefault } = options;
    this.#options = options;
    this.#limits = { ...defaultEngineLimits, ...options.limits };
    this.#client = new RestateClient(options.restate, clock);
    this.#writer = new Writer({ db, clock, limits: this.#limits, apply, observe, tell: tellOthers, onFault, onCommitted: (effects) => this.#onCommitted(effects) });
    this.#desk = new TaskDesk({ writer: this.#writer, ids: options.ids, queueMax: this.#queueMax });
    this.#facts = new FactStore(this.#writer, clock, (error) => this.#state === "closed" || onFault(error));
    this.#suspects = new Suspects(this.#writer, clock, this.#limits);
    this.#outage = new Outage({
      clock, db, onFault,
      writer: this.#writer, client: this.#client, team: options.team,
      // One that drains has shut it for good.
      endpoint: () => (this.#state === "open" ? this.#endpoint : null),
      onBack: () => this.#dispatch.ask(this.#agents.keys()),
    });
    this.#dispatch = new Dispatch(this.#client, options.team);
    this.#ringer = new Ringer(this.#client, this.#writer);
    this.#alarm = new Alarm({
      clock, onFault, sweepMs,
      writer: this.#writer,
      onReady: (agents) => this.#dispatch.ask(agents),
      onSilentBells: (bells) => this.#ringer.ring(bells),
    });
    this.#news = new News({
      writer: this.#writer, clock, onFault, sweepMs,
      watched: () => new Set([...this.#desk.waiters.taskIds, ...this.#live.taskIds]),
      onTask: (task) => this.#onTask(task),
      onDue: (atMs) => this.#alarm.note(atMs),
      onWork: () => this.#alarm.look(),
    });
    this.retention = createRetention(this.#writer);
    this.duty = { start: () => this.#alarm.start(), stop: () => this.#alarm.stop() };
  }

  async serve(agents: readonly EngineAgent[], execute: Execute): Promise<FetchHandler> {
    await this.#take(agents, execute);
    const { team, endpoint, recallMsMax = recallMsDefault } = this.#options;
    return createFetchEndpoint({ team, handler: this, recallMsMax, identityKeys: endpoint.identityKeys ?? [] });
  }

  async run(agents: readonly EngineAgent[], execute: Execute): Promise<RecoveryReport> {
    await this.#take(agents, execute);
    const { team, endpoint, db } = this.#options;
    this.#news.listen(db);
    const opened = await RestateEndpoint.open({ team, handler: this, recallMsMax: this.#options.recallMsMax ?? recallMsDefault, ...endpoint });
    this.#endpoint = opened;
    await this.#client.register(endpoint.uri ?? `http://${endpoint.host}:${opened.port}`);
    this.#isKnown = true;
    // A drain may have come meanwhile: what is queued is another worker's.
    if (this.#state !== "open") {
      opened.withdraw();
      return { resumed: 0, quarantined: 0 };
    }
    if (this.#options.isDutyGiven !== true) await this.#alarm.start();
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
    const claimed = await this.#outage.orTurnedAway(() => this.#writer.persist((change) => claimReady(change, agent, claim, this.#options.ids)));
    for (const { runId } of claimed) this.#expected.add(runId);
    return claimed;
  }

  async take(activations: readonly Activation[]): Promise<void> {
    if (this.#state !== "open") throw engineClosed();
    await this.#outage.take(activations);
  }

  async suspended(invocationId: string): Promise<void> {
    const attempt = this.#attemptOf(invocationId);
    if (attempt === null) return;
    const activeMs = this.#live.letGo(attempt.runId);
    await this.#note((change) => markSuspended(change.db, attempt, activeMs));
  }

  async mismatched(invocationId: string): Promise<void> {
    const attempt = this.#attemptOf(invocationId);
    if (attempt !== null) await this.#note((change) => markChanged(change.db, attempt));
  }

  async noted(): Promise<void> {
    // The SDK ends its answer before it tells of the suspension.
    for (let turn = 0; turn < noticeTurns; turn++) await macrotask();
    await Promise.allSettled(this.#noting);
  }

  async activate(context: WorkflowContext, activation: Activation): Promise<void> {
    await this.#outage.calls.track(context.request().id, activation, (call) => this.#activate(context, activation, call));
  }

  async #activate(context: WorkflowContext, activation: Activation, call: Call): Promise<void> {
    if (this.#state !== "open" || this.#execute === null) throw engineClosed();
    const beginning = { agents: this.#agents, called: context.request().attemptCompletedSignal, attempt: null };
    const begun = await orAborted(call.given.signal, () => this.#writer.together(beginnings, { writer: this.#writer, activation, beginning }));
    this.#expected.delete(activation.runId);
    const agent = begun === null ? undefined : this.#agents.get(begun.task.agent);
    if (begun === null || agent === undefined) {
      void callRecorded(context);
      return;
    }
    call.attempt = begun.task.attempt;
    if (begun.isOfOtherCode) {
      await orAborted(AbortSignal.any([call.given.signal, beginning.called]), () => handOn(context, begun, this.#writer));
      return;
    }
    if (!(await orAborted(call.given.signal, () => this.#suspects.turnOf(begun)))) throw engineClosed();
    const { clock } = this.#options;
    await this.#live.run(
      new LiveActivation({ context, begun, agent, clock, execute: this.#execute, writer: this.#writer, facts: this.#facts, limits: this.#limits, queueMax: this.#queueMax, given: call.given.signal }),
    );
  }

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
    return this.isStill() && this.#live.isAtRest;
  }

  readonly isTelling = (): boolean => this.#live.isTelling;

  isStill(): boolean {
    return this.#writer.isIdle && this.#facts.isIdle && this.#dispatch.isIdle && this.#ringer.isIdle && this.#news.isIdle && this.#alarm.isIdle && this.#expected.size === 0;
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
    this.#suspects.close();
    this.#outage.close();
    this.#dispatch.stop();
    this.#alarm.stop();
    await this.#endpoint?.close();
    this.#news.close();
    this.#facts.close();
    this.#writer.close();
  }

  #attemptOf(invocationId: string): (Activation & { readonly attempt: number }) | null {
    const { runId, activation, attempt = null } = this.#outage.calls.get(invocationId) ?? {};
    return runId === undefined || activation === undefined || attempt === null ? null : { runId, activation, attempt };
  }

  async #note(act: (change: Change) => Promise<void>): Promise<void> {
    const noting = this.#writer.persist(act);
    this.#noting.add(noting);
    await noting.finally(() => this.#noting.delete(noting));
  }

  readonly #queueMax = (agent: string): number => this.#agents.get(agent)?.queueMax ?? this.#limits.queueUnknownAgentMax;

  /** From now on this process executes these agents. Runs that other code could not go on with are tried with this. */
  async #take(agents: readonly EngineAgent[], execute: Execute): Promise<void> {
    this.#assertOpen();
    for (const agent of agents) this.#agents.set(agent.name, agent);
    this.#execute = execute;
    await this.#writer.persist(async (change) => {
      for (const agent of agents) for (const task of await lockParkedByOtherVersion(change.db, agent.name, codeVersionOf(agent))) await moveTask(change, task, { status: "queued" });
    });
  }

  async #drain(timeoutMs: number): Promise<DrainReport> {
    this.#state = "draining";
    if (this.#isKnown) this.#endpoint?.withdraw();
    this.#expected.clear();
    this.#suspects.close();
    this.#alarm.stop();
    const report = await this.#live.drain(this.#options.clock, timeoutMs);
    await this.#part();
    return report;
  }

  /** What Restate is not told before this process ends, others find by a sweep only: slots that are free, runs that were given back, waits that ended. */
  async #part(): Promise<void> {
    const { clock } = this.#options;
    const told = async (): Promise<void> => void (await Promise.all([this.#dispatch.leave(), this.#ringer.settled()]));
    await withDeadline({ clock, timeoutMs: partMsMax, onTimeout: engineClosed }, told).catch(() => undefined); // It is left to their sweeps.
  }

  #onCommitted({ agents, ended, bells, hasCleared, dueAtMs }: Effects): void {
    for (const { id, runId, end } of ended) {
      if (runId !== null) this.#live.end(runId, reasonOfEnd(id, end));
      this.#desk.waiters.wake(id, end);
    }
    this.#ringer.ring(bells);
    this.#dispatch.ask(agents);
    if (hasCleared || agents.size > 0) this.#suspects.wake();
    this.#alarm.note(dueAtMs);
    this.#options.onCommit?.(ended);
  }

  /** Another process may have ended it. A run that was replaced since then is refused at its next commit. */
  #onTask({ id, end, runId }: Task): void {
    if (end === null) return;
    if (runId !== null) this.#live.end(runId, reasonOfEnd(id, end));
    this.#desk.waiters.wake(id, end);
  }

  #assertOpen(): void {
    if (this.#state === "closed") throw engineClosed();
  }
}
