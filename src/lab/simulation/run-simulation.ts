import { isLonghaulError, LonghaulError, messageOf } from "../../base/error.ts";
import { IdleLoop } from "../../base/idle-loop.ts";
import type { Random } from "../../base/random.ts";
import type { VirtualClock } from "../../base/virtual-clock.ts";
import { type LiveTeam, openLiveTeam } from "../../runtime/live-team.ts";
import { progressPlaces, type SimulationMessage, type SimulationPlan, type SimulationResult } from "./simulation-message.ts";
import type { CreateWorld, HostHandler, World } from "./world.ts";

/** What the thread has made before anything foreign was imported. */
export interface SimulationThread {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly refused: ReadonlySet<string>;
  readonly setHosts: (hosts: Readonly<Record<string, HostHandler>>) => void;
}

const toldMax = 1_000;

/** Runs the whole simulation in this thread. Never rejects: what goes wrong is the message. */
export async function runSimulation(plan: SimulationPlan, thread: SimulationThread): Promise<SimulationMessage> {
  const simulation = new Simulation(plan, thread);
  try {
    return { kind: "done", result: await simulation.run() };
  } catch (error) {
    const code = isLonghaulError(error) ? error.code : "SIMULATION_FAILED";
    return { kind: "failed", code, message: messageOf(error), stack: error instanceof Error ? (error.stack ?? null) : null };
  } finally {
    simulation.close();
  }
}

/**
 * Drives virtual time. Time goes on only when the event loop has nothing left: every promise, turn, commit and file of the instant is done, whoever began
 * it. So two runs of one seed see the same order of events, as long as nothing real of unknown duration is awaited.
 */
class Simulation {
  readonly #plan: SimulationPlan;
  readonly #thread: SimulationThread;
  readonly #loop = new IdleLoop();
  readonly #told: string[] = [];
  #timersFired = 0;
  /** What ended badly beside the team, such as what people do. */
  #failure: { readonly error: unknown } | null = null;

  constructor(plan: SimulationPlan, thread: SimulationThread) {
    this.#plan = plan;
    this.#thread = thread;
  }

  async run(): Promise<SimulationResult> {
    const { plan, thread } = { plan: this.#plan, thread: this.#thread };
    const untilMs = thread.clock.now() + plan.horizonMs;
    const world = await this.#driven("loading the world", this.#loadWorld());
    const live = await this.#driven("opening the team", this.#open(world));
    await this.#driven("starting the team", live.start());
    world.during?.({ operations: live.operations, clock: thread.clock, health: () => live.health() }).catch((error: unknown) => {
      this.#failure ??= { error };
    });
    await this.#advanceTo(untilMs);
    const health = await this.#driven("judging the team", live.health());
    await this.#driven("draining the team", live.drain(0));
    const census = await this.#driven("reading the records", live.records.census());
    const kept = plan.keep === null ? [] : await this.#driven("reading the records", live.records.query(plan.keep));
    await this.#driven("closing the team", live.close());
    return {
      trace: census.hash, records: census.records, counts: census.counts,
      health, kept: kept.map(({ record }) => record), told: this.#told, refused: [...thread.refused], timersFired: this.#timersFired,
    };
  }

  close(): void {
    this.#loop.close();
  }

  async #loadWorld(): Promise<World> {
    const { plan, thread } = { plan: this.#plan, thread: this.#thread };
    if (plan.world === null) return {};
    const exported = (await import(plan.world)) as Readonly<Record<string, unknown>>;
    const create = exported["world"];
    if (typeof create !== "function") throw new LonghaulError("TEAM_NOT_LOADED", `${plan.world} exports no function \`world\`. It exports: ${Object.keys(exported).join(", ")}.`);
    const world = await (create as CreateWorld)({ clock: thread.clock, random: thread.random.split("world") });
    thread.setHosts(world.hosts ?? {});
    return world;
  }

  async #open({ mcpServers, modelFor }: World): Promise<LiveTeam> {
    const { plan, thread } = { plan: this.#plan, thread: this.#thread };
    const exported = (await import(plan.team)) as Readonly<Record<string, unknown>>;
    return openLiveTeam({
      team: exported["default"] ?? exported["team"],
      dataDirectory: plan.dataDirectory,
      clock: thread.clock,
      random: thread.random.split("team"),
      environment: (name) => plan.environment[name],
      makesBackups: false,
      print: (line) => {
        if (this.#told.length < toldMax) this.#told.push(line);
      },
      // How full the disk is on which it is simulated has no part in it.
      diskUsedRatio: () => 0,
      ...(modelFor === undefined ? {} : { modelFor }),
      ...(mcpServers === undefined ? {} : { mcpServerFor: (name) => mcpServers[name] ?? null }),
    });
  }

  async #advanceTo(untilMs: number): Promise<void> {
    const { clock } = this.#thread;
    await this.#untilIdle();
    while (this.#fireNext(untilMs)) await this.#untilIdle();
    clock.runTimers(untilMs);
  }

  /** Lets time go on as far as `work` needs it. @throws {SIMULATION_STALLED} when it waits for what never comes. */
  async #driven<T>(what: string, work: Promise<T>): Promise<T> {
    this.#note();
    let isSettled = false;
    const settled = (): void => void (isSettled = true);
    work.then(settled, settled);
    await this.#untilIdle();
    while (!isSettled) {
      if (!this.#fireNext(Number.POSITIVE_INFINITY)) throw new LonghaulError("SIMULATION_STALLED", `The simulation came to a standstill while ${what}: nothing is left that could happen. Look for a promise that never settles.`);
      await this.#untilIdle();
    }
    return await work;
  }

  #fireNext(untilMs: number): boolean {
    const { clock } = this.#thread;
    // Said before it is reached: what the timer calls may never return.
    this.#plan.progress[progressPlaces.nowMs] = Math.min(clock.nextAtMs ?? untilMs, untilMs);
    if (!clock.fireNext(untilMs)) return false;
    this.#timersFired++;
    return true;
  }

  async #untilIdle(): Promise<void> {
    await this.#loop.untilIdle();
    if (this.#failure !== null) throw this.#failure.error;
  }

  #note(): void {
    const { progress } = this.#plan;
    progress[progressPlaces.phase] = (progress[progressPlaces.phase] ?? 0) + 1;
  }
}
