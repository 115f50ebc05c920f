import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/base/clock.ts";
import { macrotask } from "../../src/base/turn.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import { createProviderSimulator, type ProviderLimits, type ProviderSimulator, type Receipt } from "../../src/lab/provider/index.ts";
import type { LogRecord } from "../../src/record/log-record.ts";
import { isEnded, type Task } from "../../src/record/task.ts";
import { courierName, courierScript, defineCourier, type McpPlace, type Point } from "./courier.ts";
import type { FailureCase } from "./case.ts";
import type { Ground } from "./ground.ts";
import { type Hooks, untilAborted } from "./hooks.ts";
import { Outside } from "./outside.ts";
import { Warehouse } from "./warehouse.ts";
import type { Disk, Instant, ServerFaults, WorkingTeam, World } from "./world.ts";

export interface LiveWorldOptions {
  readonly failure: FailureCase;
  readonly ground: Ground;
  /** For what outlives processes and is not the team's. */
  readonly folder: string;
  readonly seed: number;
}

/** One life of the process. */
interface Life {
  readonly clock: VirtualClock;
  readonly simulator: ProviderSimulator;
  /** Null until it is open. */
  team: WorkingTeam | null;
  isDead: boolean;
}

/** Virtual time that a case may take at the most: longer than any deadline of its task. */
const restMsMax = 3 * 86_400_000;
/** What rests by then in real time only never does: on a cluster each second of virtual time costs some milliseconds. */
const realMsMax = 300_000;
/** How long a machine takes to come back after its power was lost. */
const downMs = 20_000;
const stdioServer = fileURLToPath(new URL("fixture/warehouse-stdio.ts", import.meta.url));

/** What only people or other code can end. */
const restingReasons: readonly string[] = ["human", "unknown-effect", "signal", "paused", "code-mismatch"];

export class LiveWorld implements World {
  readonly outside: Outside;
  readonly #options: LiveWorldOptions;
  readonly #hooks: Hooks;
  readonly #lives: Life[] = [];
  readonly #end = new AbortController();
  #warehouse: Warehouse | null = null;
  readonly #reached = new Map<Point, number>();
  readonly #deaths: { readonly instant: Instant; readonly when: () => boolean }[] = [];
  #skewMs = 0;
  #calls = 0;
  #taskId = "";
  /** Of the other orders. */
  #otherIds: readonly string[] = [];
  #submittedAtMs = 0;

  constructor(options: LiveWorldOptions) {
    this.#options = options;
    const { mcp } = options.failure;
    this.outside = new Outside(options.seed, { others: options.failure.others ?? 0, ...(typeof mcp === "object" ? { file: this.#deliveriesPath } : {}) });
    if (mcp === "http") this.#warehouse = new Warehouse({ outside: this.outside, reach: (point) => this.#strike(point, this.#end.signal) });
    this.#hooks = options.failure.hooks?.(this) ?? {};
  }

  get team(): WorkingTeam {
    const { team } = this.#life;
    if (team === null) throw new Error("the team is not open");
    return team;
  }

  get taskId(): string {
    return this.#taskId;
  }

  get calls(): number {
    return this.#calls;
  }

  get disk(): Disk {
    const { disk } = this.#options.ground;
    if (disk === null) throw new Error("a cluster has no data file");
    return disk;
  }

  get servers(): ServerFaults {
    const { servers } = this.#options.ground;
    if (servers === null) throw new Error("the embedded engine has no servers");
    return servers;
  }

  /** Processes that died, and that were stopped in good order. */
  get ends(): { readonly deaths: number; readonly stops: number } {
    const deaths = this.#lives.filter(({ isDead }) => isDead).length;
    return { deaths, stops: this.#lives.length - 1 - deaths };
  }

  /** What the provider will ask for: every answer that it began, to a process that lived or died. */
  get receipts(): readonly Receipt[] {
    return this.#lives.flatMap(({ simulator }) => simulator.receipts());
  }

  /** Virtual time since the order came. */
  get passedMs(): number {
    return this.team.clock.now() - this.#submittedAtMs;
  }

  get warehouse(): Warehouse {
    if (this.#warehouse === null) throw new Error("the case has no tools over HTTP");
    return this.#warehouse;
  }

  async open(): Promise<void> {
    await this.#warehouse?.start();
    await this.#open(this.#options.failure.startAtMs, 0);
  }

  async submit(): Promise<void> {
    this.#submittedAtMs ||= this.team.clock.now();
    this.#taskId = await this.team.submit(this.#agentOf(0), { order: this.outside.order }, this.outside.order);
    await this.#settle();
  }

  async submitOthers(): Promise<void> {
    this.#submittedAtMs ||= this.team.clock.now();
    this.#otherIds = await Promise.all([...this.outside.others.keys()].map((order, index) => this.team.submit(this.#agentOf(index + 1), { order }, order)));
    await this.#settle();
  }

  #agentOf(index: number): string {
    return this.#options.failure.via === undefined ? courierName(index) : "dispatcher";
  }

  async untilRest(): Promise<void> {
    const realUntilMs = systemClock.monotonicMs() + realMsMax;
    for (const untilMs = this.#submittedAtMs + restMsMax; systemClock.monotonicMs() < realUntilMs; ) {
      await this.#settle();
      if ((await this.#tasks()).every((task) => this.#isResting(task))) return;
      const { clock } = this.team;
      const nextAtMs = clock.nextAtMs;
      if (nextAtMs === undefined || nextAtMs > untilMs) return;
      await clock.advance(Math.max(0, nextAtMs - clock.now()), () => this.#turns());
    }
  }

  async advance(ms: number): Promise<void> {
    const untilMs = this.team.clock.now() + ms;
    while (this.team.clock.now() < untilMs) {
      await this.#settle();
      const { clock } = this.team;
      const nextAtMs = Math.min(clock.nextAtMs ?? untilMs, untilMs);
      await clock.advance(Math.max(0, nextAtMs - clock.now()), () => this.#turns());
    }
    await this.#settle();
  }

  die(): void {
    const life = this.#life;
    if (life.isDead) return;
    life.isDead = true;
    this.#options.ground.die();
  }

  dieAt(instant: Instant, when: () => boolean): void {
    this.#deaths.push({ instant, when });
  }

  async restart(forMs: number): Promise<void> {
    const { clock } = this.#life;
    await this.team.close();
    await this.#open(clock.now() + forMs, forMs);
  }

  stepClock(byMs: number): void {
    this.#skewMs += byMs;
  }

  task(): Promise<Task> {
    return this.#options.ground.task(this.#taskId);
  }

  /** The tasks of the other orders. */
  others(): Promise<readonly Task[]> {
    return Promise.all(this.#otherIds.map((id) => this.team.task(id)));
  }

  /** The task that undoes what the run registered; null when there is none. */
  async undoing(): Promise<Task | null> {
    const { runId } = await this.task();
    return this.team.live.operations.task(`c_${runId}`);
  }

  async records(): Promise<readonly LogRecord[]> {
    const undoing = await this.undoing();
    return [...(await this.team.records({ taskId: this.#taskId })), ...(undoing === null ? [] : await this.team.records({ taskId: undoing.id }))];
  }

  /** All that has to come to rest. */
  async #tasks(): Promise<readonly Task[]> {
    const undoing = await this.undoing();
    return [...(this.#taskId === "" ? [] : [await this.task()]), ...(await this.others()), ...(undoing === null ? [] : [undoing])];
  }

  async close(): Promise<void> {
    const { ground } = this.#options;
    await ground.mend();
    this.#end.abort(new Error("the case is over"));
    for (const { team, simulator } of this.#lives) {
      simulator.close();
      await team?.close().catch(() => undefined); // One that was replaced, or that was closed before, has nothing to write down.
    }
    await this.#warehouse?.stop();
    await ground.close();
  }

  get #life(): Life {
    const life = this.#lives.at(-1);
    if (life === undefined) throw new Error("the world is not open");
    return life;
  }

  #isResting({ status, waitingReason }: Task): boolean {
    if (isEnded(status)) return true;
    return status === "waiting" && (restingReasons.includes(waitingReason ?? "") || this.#options.failure.expect.end === `waiting(${waitingReason})`);
  }

  /** Lets everything happen that needs no virtual time. A process that died is back when its machine is. */
  async #settle(): Promise<void> {
    const { ground, failure } = this.#options;
    do {
      if (this.#life.isDead) await this.#open(this.#life.clock.now() + downMs, downMs);
      const sign = (): string => `${this.#calls} ${this.#warehouse?.requests ?? 0} ${this.#life.isDead}`;
      await ground.settle(sign, this.#taskId === "" ? 0 : realQuietMs(failure));
    } while (this.#life.isDead);
  }

  /** A dead process is left alone. */
  #turns(): Promise<void> {
    return this.#life.isDead ? macrotask() : this.#options.ground.turns();
  }

  async #open(startAtMs: number | undefined, forMs: number): Promise<void> {
    const { failure, seed, ground } = this.#options;
    const clock = new VirtualClock(startAtMs);
    const passedMs = (): number => clock.now() - this.#submittedAtMs;
    const simulator = createProviderSimulator({
      clock, seed,
      script: failure.script?.(courierScript) ?? courierScript,
      faults: ({ wire }) => failure.faults?.(this.#calls, passedMs(), wire),
      ...(failure.provider === undefined ? {} : { limits: shiftingLimits(failure.provider, passedMs) }),
    });
    const life: Life = { clock, simulator, team: null, isDead: false };
    this.#lives.push(life);
    const team = defineCourier({ name: ground.teamName, failure, outside: this.outside, mcp: this.#mcpPlace, fetch: (request) => this.#call(life, request), reach: (point, signal) => this.#reach(life, point, signal) });
    life.team = await ground.begin({ team, clock, downMs: forMs, seed: seed + this.#lives.length, skewMs: () => this.#skewMs, look: (instant) => this.#look(life, instant) });
  }

  /** A request to the provider. One of a process that is dead reaches nobody. */
  #call(life: Life, request: Request): Promise<Response> {
    if (life.isDead) return untilAborted(request.signal);
    this.#calls++;
    return life.simulator.fetch(request);
  }

  async #reach(life: Life, point: Point, signal: AbortSignal): Promise<unknown> {
    if (life.isDead) return untilAborted(signal);
    const value = await this.#strike(point, signal);
    return life.isDead ? untilAborted(signal) : value;
  }

  #strike(point: Point, signal: AbortSignal): Promise<unknown> {
    const count = (this.#reached.get(point) ?? 0) + 1;
    this.#reached.set(point, count);
    return Promise.resolve().then(() => this.#hooks[point]?.({ count, signal }));
  }

  get #mcpPlace(): McpPlace | null {
    const { failure: { mcp }, seed } = this.#options;
    if (mcp === undefined) return null;
    return mcp === "http" ? { url: this.warehouse.url } : { command: process.execPath, args: ["--conditions=longhaul-source", stdioServer, String(seed), this.#deliveriesPath, mcp.stdio] };
  }

  get #deliveriesPath(): string {
    return join(this.#options.folder, "deliveries.jsonl");
  }

  #look(life: Life, instant: Instant): void {
    if (life.isDead || life !== this.#life) return;
    const death = this.#deaths[0];
    if (death === undefined || death.instant !== instant || !death.when()) return;
    this.#deaths.shift();
    this.die();
  }
}

/** Limits that are what they are at each instant. */
function shiftingLimits(limitsAt: NonNullable<FailureCase["provider"]>, passedMs: () => number): ProviderLimits {
  return {
    get requestsPerMinute() {
      return limitsAt(passedMs()).requestsPerMinute ?? Number.POSITIVE_INFINITY;
    },
    get tokensPerMinute() {
      return limitsAt(passedMs()).tokensPerMinute ?? Number.POSITIVE_INFINITY;
    },
  };
}

/** How long a server of tools may be silent before it is quiet: longer for a process that has to start. */
function realQuietMs({ mcp }: FailureCase): number {
  if (mcp === undefined) return 0;
  return mcp === "http" ? 60 : 2_500;
}
