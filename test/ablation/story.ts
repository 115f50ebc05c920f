import { sleep } from "../../src/base/clock.ts";
import { IdleLoop } from "../../src/base/idle-loop.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { VirtualClock } from "../../src/base/virtual-clock.ts";
import { skewedClock } from "../reliability/skewed-clock.ts";
import { Life } from "./life.ts";
import { LonghaulSide } from "./longhaul-side.ts";
import { NaiveSide } from "./naive-side.ts";
import { Outside } from "./outside.ts";
import { type AblationPlan, planOf } from "./plan.ts";
import type { Side } from "./side.ts";
import type { StoryEnd, StoryRequest } from "./story-message.ts";

export interface StoryThread {
  /** The true time. */
  readonly clock: VirtualClock;
  /** What the wall clock is wrong by. */
  readonly skew: { ms: number };
  /** Whose `fetch` the global one is. */
  readonly current: { life: Life | null };
}

/** From the death of a process to the next one, on either side: a supervisor that restarts always, as systemd does with RestartSec=10. */
const restartMs = 10_000;
const lookEveryMs = 10 * 60_000;
/** So many deaths since they last helped, or in the time after which they do, are a loop of crashes: they find what was read before the last one. */
const loopDeathsMin = 5;

/** Tells the story of one seed to one side. */
export class Story {
  readonly #request: StoryRequest;
  readonly #thread: StoryThread;
  readonly #plan: AblationPlan;
  readonly #outside: Outside;
  readonly #side: Side;
  readonly #startAtMs: number;
  readonly #deaths: { readonly atMs: number; readonly death: string }[] = [];
  readonly #interventions: { readonly atMs: number; readonly what: string }[] = [];
  #life: Life | null = null;
  #isDeploying = false;
  #failure: { readonly error: unknown } | null = null;

  constructor(request: StoryRequest, thread: StoryThread) {
    const { seed, hours, only, folder, side } = request;
    this.#request = request;
    this.#thread = thread;
    this.#plan = planOf(seed, { hours, only });
    this.#startAtMs = thread.clock.now();
    this.#outside = new Outside({ plan: this.#plan, clock: thread.clock, startAtMs: this.#startAtMs, random: seededRandom(`ablation ${seed}/provider`), hasSmallFaults: only.includes("small") });
    const nowMs = (): number => this.#nowMs;
    this.#side =
      side === "naive"
        ? new NaiveSide(this.#plan, this.#outside, nowMs)
        : new LonghaulSide({ plan: this.#plan, outside: this.#outside, folder, nowMs, clockOf: (life) => skewedClock(life.clock, () => thread.skew.ms) });
  }

  async tell(): Promise<StoryEnd> {
    const loop = new IdleLoop();
    const { clock } = this.#thread;
    this.#setAlarms();
    this.#keepRunning().catch((error: unknown) => (this.#failure ??= { error }));
    const untilIdle = async (): Promise<void> => {
      await loop.untilIdle();
      if (this.#failure !== null) throw this.#failure.error;
    };
    await untilIdle();
    while (clock.fireNext(this.#startAtMs + this.#plan.horizonMs)) await untilIdle();
    const fates = await this.#side.fates();
    loop.close();
    return {
      deliveries: this.#outside.deliveries,
      receipts: this.#outside.receipts,
      startAtMs: this.#startAtMs,
      fates: [...fates],
      over: [...this.#side.over()],
      deaths: this.#deaths,
      interventions: this.#interventions,
    };
  }

  get #nowMs(): number {
    return this.#thread.clock.now() - this.#startAtMs;
  }

  #setAlarms(): void {
    const { clock, skew } = this.#thread;
    const { tasks, deaths, clockJumps, horizonMs } = this.#plan;
    for (const task of tasks) clock.setTimer(task.atMs, () => this.#side.arrive(task));
    for (const { atMs, kind } of deaths) clock.setTimer(atMs, () => void (kind === "kill" ? this.#life?.end("kill") : this.#deploy()));
    for (const { atMs, byMs } of clockJumps) clock.setTimer(atMs, () => void (skew.ms += byMs));
    for (let atMs = lookEveryMs; atMs < horizonMs; atMs += lookEveryMs) clock.setTimer(atMs, () => this.#look());
  }

  /** The supervisor. */
  async #keepRunning(): Promise<never> {
    const { clock, current } = this.#thread;
    for (;;) {
      const life = new Life(clock, this.#outside.serve);
      this.#life = life;
      current.life = life;
      this.#side.begin(life).catch((error: unknown) => (this.#failure ??= { error }));
      const death = await life.death;
      current.life = null;
      this.#deaths.push({ atMs: this.#nowMs, death });
      this.#side.afterDeath();
      await sleep(clock, restartMs);
    }
  }

  async #deploy(): Promise<void> {
    const life = this.#life;
    if (this.#isDeploying || life === null || life.isOver) return;
    this.#isDeploying = true;
    try {
      await life.orNever(this.#side.stop());
      life.end("deploy");
    } finally {
      this.#isDeploying = false;
    }
  }

  /** A person looks after the agents, and helps where one has had work for too long and accomplished nothing. */
  #look(): void {
    const sinceMs = this.#nowMs - this.#request.operatorMs;
    const over = this.#side.over();
    const isStuck = (agent: string): boolean => {
      const tasks = this.#plan.tasks.filter((task) => task.agent === agent && task.atMs <= this.#nowMs);
      const lastMs = Math.max(0, ...tasks.flatMap(({ id }) => over.get(id) ?? []), ...this.#interventions.map(({ atMs }) => atMs));
      return lastMs < sinceMs && tasks.some(({ id, atMs }) => atMs < sinceMs && !over.has(id));
    };
    if (!this.#plan.agents.some(isStuck)) return;
    const lastMs = Math.max(sinceMs, ...this.#interventions.map(({ atMs }) => atMs));
    const crashes = this.#deaths.filter(({ atMs, death }) => death === "poison" && atMs > lastMs);
    const poisoned = this.#outside.poisonings.at(-1);
    const what = crashes.length >= loopDeathsMin && poisoned !== undefined && this.#side.setAside(poisoned) ? `sets ${poisoned} aside` : "restarts the process";
    this.#interventions.push({ atMs: this.#nowMs, what });
    this.#life?.end("operator");
  }
}
