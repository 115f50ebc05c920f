import { sleep, systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { toJson } from "../../src/base/json.ts";
import { macrotask } from "../../src/base/turn.ts";
import type { VirtualClock } from "../../src/base/virtual-clock.ts";
import { PostgresDatabase } from "../../src/db/postgres.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import type { RestateEngine } from "../../src/engine/restate/restate-engine.ts";
import type { Task } from "../../src/record/task.ts";
import { openClusterView } from "../../src/runtime/cluster-view.ts";
import { type LiveTeam, openLiveTeam } from "../../src/runtime/live-team.ts";
import type { OperatorView } from "../../src/runtime/operator-view.ts";
import { skewedClock } from "../reliability/skewed-clock.ts";
import type { Servers } from "./fixture/servers.ts";
import { Wire } from "./fixture/wire.ts";
import { type Ground, type LifeOptions, spentIn } from "./ground.ts";
import type { ServerFaults, WorkingTeam } from "./world.ts";

/** One process of the team and its ways to the servers. */
interface Life {
  readonly live: LiveTeam;
  readonly clock: VirtualClock;
  readonly store: Wire;
  readonly ingress: Wire;
  isOver: boolean;
  records: number;
}

/** How long nothing may go over the wires before nothing will, while nothing executes: what a process asks is answered before. */
const idleMs = 3;
/** The same while a body executes: it may have ended, and Restate be about to hear so. */
const executingMs = 30;
/** The same while something is under way here, and no server has been asked: Restate may be about to call, or it is tried again in virtual time. */
const underWayMs = 150;
/** A machine that is busy elsewhere lets time pass without a turn for anybody. */
const stillRounds = 15;
/** An answer that has passed the way may not have been read here; what is done with it comes before so many questions about it are answered. */
const idleRounds = 4;
/** The same while PostgreSQL is not reached: each try fails at once. */
const withoutStoreMs = 6;
/** A run that ought to execute, and of which nothing is heard: Restate calls within this, also after a process died. Then the clock goes on. */
const calledMsMax = 4_000;
const closeMsMax = 10_000;
let grounds = 0;

/**
 * The cluster engine on real servers: a database of its own, a team's name of its own. The team has a virtual clock; Restate and PostgreSQL know real time only,
 * and the clock stands still while they work. What waits for virtual time are rows, and timers of the team's process. A process that dies loses its ways to and from the servers.
 */
export class ClusterGround implements Ground, ServerFaults {
  readonly teamName = `failures${process.pid}x${++grounds}`;
  readonly disk = null;
  readonly #servers: Servers;
  readonly #url: string;
  /** Where Restate finds the process of now. */
  readonly #calls: Wire;
  readonly #observer: PostgresDatabase;
  #view: OperatorView | null = null;
  readonly #lives: Life[] = [];
  #lost: (() => boolean) | null = null;
  /** Servers that are ending or starting. */
  #changing = 0;
  readonly #down = new Set<"store" | "calls" | "postgres" | "restate">();

  private constructor(servers: Servers, url: string, calls: Wire, observer: PostgresDatabase) {
    this.#servers = servers;
    this.#url = url;
    this.#calls = calls;
    this.#observer = observer;
  }

  static async open(servers: Servers): Promise<ClusterGround> {
    const url = await servers.postgres.createDatabase();
    const observer = await PostgresDatabase.open({ url, clock: systemClock, random: seededRandom("observer"), connectionsMax: 1 });
    return new ClusterGround(servers, url, await Wire.open(0), observer);
  }

  get servers(): ServerFaults {
    return this;
  }

  async task(taskId: string): Promise<Task> {
    const task = await (await this.#read()).task(taskId);
    if (task === null) throw new Error(`there is no task ${taskId}`);
    return task;
  }

  async spentMicroUsd(): Promise<number> {
    return await spentIn(await this.#read());
  }

  async begin({ team, clock, seed, skewMs, downMs, look }: LifeOptions): Promise<WorkingTeam> {
    // A machine that comes back with its servers waits for them.
    while (this.#down.has("postgres") || this.#down.has("restate")) await sleep(systemClock, 10);
    this.#mark("store", false);
    this.#mark("calls", false);
    if (downMs > 0) await this.#letPass(downMs);
    const store = await Wire.open(this.#servers.postgres.port, {
      before: () => look("before"),
      after: () => {
        look("after");
        this.#loseAnswer(store);
      },
    });
    const ingress = await Wire.open(portOf(this.#servers.restate.ingress));
    const port = await freePort();
    this.#calls.leadTo(port);
    this.#calls.heal();
    const live = await openLiveTeam({
      team,
      cluster: { store: toPort(this.#url, store.port), restate: { ingress: `http://127.0.0.1:${ingress.port}`, admin: this.#servers.restate.admin }, listen: { host: "127.0.0.1", port }, uri: `http://127.0.0.1:${this.#calls.port}` },
      dataDirectory: null,
      clock: skewedClock(clock, skewMs),
      random: seededRandom(seed),
      environment: () => undefined,
      print: () => undefined,
      onRecord: () => void life.records++,
      modelFor: () => null,
    });
    const life: Life = { live, clock, store, ingress, isOver: false, records: 0 };
    this.#lives.push(life);
    await live.start();
    const working = this.#workingTeam(life);
    await working.settle();
    return working;
  }

  die(): void {
    const life = this.#life;
    life.isOver = true;
    for (const wire of [life.store, life.ingress, this.#calls]) wire.cut();
    void engineOf(life).abandon();
  }

  turns(): Promise<void> {
    return macrotask();
  }

  async settle(sign: () => string, quietMs: number): Promise<void> {
    const life = this.#life;
    const { clock, store, ingress } = life;
    const beganMs = systemClock.monotonicMs();
    let [seen, sinceMs, rounds] = ["", beganMs, 0];
    for (;;) {
      await sleep(systemClock, 1);
      const nowMs = systemClock.monotonicMs();
      const isSlow = nowMs - beganMs > calledMsMax;
      const now = `${sign()} ${clock.timersSet} ${life.records} ${store.chunks} ${ingress.chunks} ${this.#calls.chunks}`;
      const isAwaited = this.#changing > 0 || (this.#isWhole && !isSlow && (store.isAwaited || ingress.isAwaited));
      if (now !== seen || isAwaited) [seen, sinceMs, rounds] = [now, nowMs, 0];
      const stillMs = nowMs - sinceMs;
      if (stillMs < idleMs) continue;
      if (life.isOver) return;
      const neededMs = await this.#neededMs(life, isSlow, Math.max(executingMs, quietMs));
      if (stillMs >= neededMs && ++rounds >= (neededMs < executingMs ? idleRounds : stillRounds)) return;
    }
  }

  cutStore(isCut: boolean): void {
    this.#mark("store", isCut);
    if (isCut) this.#life.store.cut();
    else this.#life.store.heal();
  }

  cutCalls(isCut: boolean): void {
    this.#mark("calls", isCut);
    if (isCut) this.#calls.cut();
    else this.#calls.heal();
  }

  loseAnswer(when: () => boolean): void {
    this.#lost = when;
  }

  async stopPostgres(how: "kill" | "fast"): Promise<void> {
    this.#mark("postgres", true);
    await this.#change(() => this.#servers.postgres.stop(how));
  }

  async startPostgres(): Promise<void> {
    await this.#change(() => this.#servers.postgres.start());
    this.#mark("postgres", false);
  }

  async killRestate(): Promise<void> {
    this.#mark("restate", true);
    await this.#change(() => this.#servers.restate.kill());
  }

  async startRestate(): Promise<void> {
    await this.#change(() => this.#servers.restate.start());
    this.#mark("restate", false);
  }

  async mend(): Promise<void> {
    if (this.#down.has("postgres")) await this.startPostgres();
    if (this.#down.has("restate")) await this.startRestate();
    if (this.#down.has("store")) this.cutStore(false);
    if (this.#down.has("calls")) this.cutCalls(false);
  }

  async close(): Promise<void> {
    await this.#view?.close();
    await this.#observer.close();
    for (const { store, ingress } of this.#lives) await Promise.all([store.close(), ingress.close()]);
    await this.#calls.close();
    await this.#servers.postgres.query(`DROP DATABASE ${new URL(this.#url).pathname.slice(1)} WITH (FORCE)`);
  }

  get #life(): Life {
    const life = this.#lives.at(-1);
    if (life === undefined) throw new Error("no process has begun");
    return life;
  }

  get #isWhole(): boolean {
    return this.#down.size === 0;
  }

  async #change(work: () => Promise<void>): Promise<void> {
    this.#changing++;
    await work().finally(() => this.#changing--);
  }

  #mark(part: "store" | "calls" | "postgres" | "restate", isDown: boolean): void {
    if (isDown) this.#down.add(part);
    else this.#down.delete(part);
  }

  #loseAnswer(store: Wire): void {
    if (this.#lost?.() !== true) return;
    this.#lost = null;
    store.break();
  }

  /** PostgreSQL's own clock ends leases, and has seen nothing of the time in which no process lived. */
  async #letPass(ms: number): Promise<void> {
    await this.#observer.run("UPDATE lh_lease SET expires_at = expires_at - $1::int8 * interval '1 millisecond'", ms);
  }

  /** How long it has to be still, as things stand. */
  async #neededMs(life: Life, isSlow: boolean, quietMs: number): Promise<number> {
    const { live } = life;
    if (this.#down.has("store") || this.#down.has("postgres")) return withoutStoreMs;
    const row = await this.#observer.get("SELECT count(*) FILTER (WHERE status IN ('queued', 'running')) AS busy, (SELECT count(*) FROM lh_bell) AS bells FROM lh_task WHERE ended_at_ms IS NULL");
    if (Number(row?.["busy"]) + Number(row?.["bells"]) === 0) return idleMs;
    if (!this.#isWhole || isSlow) return quietMs;
    // No body executes, and nothing is on its way to PostgreSQL: Restate has to call.
    if (live.isQuiet()) return calledMsMax;
    return engineOf(life).isStill() ? quietMs : Math.max(underWayMs, quietMs);
  }

  async #read(): Promise<OperatorView> {
    this.#view ??= await openClusterView({ store: this.#url, clock: systemClock, random: seededRandom("view") });
    return this.#view;
  }

  #workingTeam(life: Life): WorkingTeam {
    const { live, clock } = life;
    return {
      live, clock,
      settle: () => this.settle(() => "", 0),
      async submit(agent, input, key) {
        const { taskId } = await live.operations.submit({ agent, input: toJson(input, "input"), source: "test", ...(key === undefined ? {} : { key }) });
        return taskId;
      },
      task: (taskId) => this.task(taskId),
      records: async (filter = {}) => (await live.records.query({ limit: 10_000, ...filter })).map(({ record }) => record),
      async close() {
        if (life.isOver) return;
        life.isOver = true;
        const closed = live.drain(0).then(() => live.close());
        const isClosed = await Promise.race([closed.then(() => true), sleep(systemClock, closeMsMax).then(() => false)]);
        if (isClosed) return;
        await engineOf(life).abandon();
        throw new Error(`the team did not close within ${closeMsMax} ms`);
      },
    };
  }
}

/** Engines of a cluster can be cut off, which no team can. */
function engineOf({ live }: Life): RestateEngine {
  return live.tasks as RestateEngine;
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

function toPort(url: string, port: number): string {
  const address = new URL(url);
  address.port = String(port);
  return address.href;
}
