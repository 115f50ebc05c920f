import { cpSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { macrotask } from "../../src/base/turn.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import { createProviderSimulator, type ProviderLimits, type ProviderSimulator, type Receipt } from "../../src/lab/provider/index.ts";
import type { LogRecord } from "../../src/record/log-record.ts";
import { isEnded, type Task } from "../../src/record/task.ts";
import { type DiskTeam, openDiskTeam } from "../fixture/disk-team.ts";
import { courierName, courierScript, defineCourier, type McpPlace, type Point } from "./courier.ts";
import type { FailureCase } from "./case.ts";
import { type Hooks, untilAborted } from "./hooks.ts";
import { Outside } from "./outside.ts";
import { Warehouse } from "./warehouse.ts";
import type { Instant, World } from "./world.ts";

export interface LiveWorldOptions {
  readonly failure: FailureCase;
  readonly folder: string;
  readonly seed: number;
}

/** One life of the process. */
interface Life {
  readonly directory: string;
  readonly clock: VirtualClock;
  readonly simulator: ProviderSimulator;
  /** Null until it is open. */
  team: DiskTeam | null;
  isDead: boolean;
  db: SqliteDatabase | null;
}

/** Virtual time that a case may take at the most: longer than any deadline of its task. */
const restMsMax = 3 * 86_400_000;
/** How long a machine takes to come back after its power was lost. */
const downMs = 20_000;
const pagesMax = 4_294_967_294;
const quietRounds = 15;
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
  /** What is left on the disk of the process that died last; null while one lives. */
  #leftBehind: string | null = null;
  readonly #deaths: { readonly instant: Instant; readonly when: () => boolean }[] = [];
  #skewMs = 0;
  #calls = 0;
  #taskId = "";
  /** Of the other orders. */
  #otherIds: readonly string[] = [];
  #submittedAtMs = 0;
  #isFull = false;

  constructor(options: LiveWorldOptions) {
    this.#options = options;
    const { mcp } = options.failure;
    this.outside = new Outside(options.seed, { others: options.failure.others ?? 0, ...(typeof mcp === "object" ? { file: this.#deliveriesPath } : {}) });
    if (mcp === "http") this.#warehouse = new Warehouse({ outside: this.outside, reach: (point) => this.#strike(point, this.#end.signal) });
    this.#hooks = options.failure.hooks?.(this) ?? {};
  }

  get team(): DiskTeam {
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

  get db(): SqliteDatabase | null {
    return this.#life.db;
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

  get directory(): string {
    return this.#life.directory;
  }

  get warehouse(): Warehouse {
    if (this.#warehouse === null) throw new Error("the case has no tools over HTTP");
    return this.#warehouse;
  }

  async open(): Promise<void> {
    await this.#warehouse?.start();
    await this.#open(join(this.#options.folder, "life-1"), this.#options.failure.startAtMs);
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
    for (const untilMs = this.#submittedAtMs + restMsMax; ; ) {
      await this.#settle();
      if ((await this.#tasks()).every((task) => this.#isResting(task))) return;
      const { clock } = this.team;
      const nextAtMs = clock.nextAtMs;
      if (nextAtMs === undefined || nextAtMs > untilMs) return;
      await clock.advance(Math.max(0, nextAtMs - clock.now()), () => this.#virtualTurns());
    }
  }

  async advance(ms: number): Promise<void> {
    const untilMs = this.team.clock.now() + ms;
    while (this.team.clock.now() < untilMs) {
      await this.#settle();
      const { clock } = this.team;
      const nextAtMs = Math.min(clock.nextAtMs ?? untilMs, untilMs);
      await clock.advance(Math.max(0, nextAtMs - clock.now()), () => this.#virtualTurns());
    }
    await this.#settle();
  }

  die(): void {
    const life = this.#life;
    if (life.isDead) return;
    life.isDead = true;
    this.#leftBehind = join(this.#options.folder, `life-${this.#lives.length + 1}`);
    cpSync(life.directory, this.#leftBehind, { recursive: true });
    // The process that held the file is this one too, and lives.
    const left = SqliteDatabase.open(join(this.#leftBehind, "longhaul.db"));
    left.run("UPDATE lh_owner SET boot_id = 'the boot before'");
    left.close();
  }

  dieAt(instant: Instant, when: () => boolean): void {
    this.#deaths.push({ instant, when });
  }

  async restart(forMs: number): Promise<void> {
    const { directory, clock } = this.#life;
    await this.team.close();
    await this.#open(directory, clock.now() + forMs);
  }

  stepClock(byMs: number): void {
    this.#skewMs += byMs;
  }

  fillDisk(isFull: boolean): void {
    this.#isFull = isFull;
    const { db } = this.#life;
    if (db === null) throw new Error("nothing was written yet: the disk cannot be filled");
    const used = Number(db.get("PRAGMA page_count")?.["page_count"]);
    db.exec(`PRAGMA max_page_count = ${isFull ? used : pagesMax}`);
  }

  task(): Promise<Task> {
    return this.team.task(this.#taskId);
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
    if (this.#isFull) this.fillDisk(false);
    this.#end.abort(new Error("the case is over"));
    for (const { team, simulator } of this.#lives) {
      simulator.close();
      await team?.close().catch(() => undefined); // One that was replaced, or that was closed before, has nothing to write down.
    }
    await this.#warehouse?.stop();
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

  async #settle(): Promise<void> {
    do {
      if (this.#leftBehind !== null) await this.#comeBack(this.#leftBehind);
      await this.#turns();
    } while (this.#leftBehind !== null);
  }

  async #comeBack(directory: string): Promise<void> {
    this.#leftBehind = null;
    await this.#open(directory, this.team.clock.now() + downMs);
  }

  /** Lets everything happen that needs no virtual time; a dead process is left alone. */
  async #turns(): Promise<void> {
    await this.#virtualTurns();
    if (this.#realQuietMs > 0 && this.#taskId !== "" && !this.#life.isDead) await this.#untilReallyQuiet();
  }

  #virtualTurns(): Promise<void> {
    return this.#life.isDead ? macrotask() : this.team.settle();
  }

  /** While a step executes, servers work in real time: the clock stands still until nothing has happened for a while. */
  async #untilReallyQuiet(): Promise<void> {
    let seen = "";
    // A machine that is busy elsewhere lets time pass without a turn for us.
    for (let sinceMs = systemClock.monotonicMs(), rounds = 0; rounds < quietRounds || systemClock.monotonicMs() - sinceMs < this.#realQuietMs; rounds++) {
      const { status } = await this.task();
      if (status !== "running" && status !== "queued") return;
      const now = `${this.#calls} ${this.team.clock.timersSet} ${this.#warehouse?.requests ?? 0}`;
      if (now !== seen) [sinceMs, rounds] = [systemClock.monotonicMs(), 0];
      seen = now;
      await sleep(systemClock, 2);
      await this.team.settle();
    }
  }

  async #open(directory: string, startAtMs: number | undefined): Promise<void> {
    const { failure, seed } = this.#options;
    const clock = new VirtualClock(startAtMs);
    const passedMs = (): number => clock.now() - this.#submittedAtMs;
    const simulator = createProviderSimulator({
      clock, seed,
      script: failure.script?.(courierScript) ?? courierScript,
      faults: ({ wire }) => failure.faults?.(this.#calls, passedMs(), wire),
      ...(failure.provider === undefined ? {} : { limits: shiftingLimits(failure.provider, passedMs) }),
    });
    const life: Life = { directory, clock, simulator, team: null, isDead: false, db: null };
    this.#lives.push(life);
    const team = defineCourier({ failure, outside: this.outside, mcp: this.#mcpPlace, fetch: (request) => this.#call(life, request), reach: (point, signal) => this.#reach(life, point, signal) });
    const look = (instant: Instant): void => this.#look(life, instant);
    life.team = await openDiskTeam(team, {
      directory, clock, seed: seed + this.#lives.length, skewMs: () => this.#skewMs,
      watchCommits: {
        before(db) {
          life.db = db;
          look("before");
        },
        after: () => look("after"),
      },
    });
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

  /** Longer for a process that has to start. */
  get #realQuietMs(): number {
    const { mcp } = this.#options.failure;
    if (mcp === undefined) return 0;
    return mcp === "http" ? 60 : 2_500;
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
