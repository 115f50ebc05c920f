import { join } from "node:path";
import { isEnded } from "../../src/record/task.ts";
import { createClient, decideUnknownEffects } from "./client.ts";
import { type DiskImage, writeImage } from "./disk-image.ts";
import { type FileState, readAfterCrash, readFileOf } from "./file-state.ts";
import { findInstantViolations } from "./invariants/instant.ts";
import { findViolations } from "./invariants/all.ts";
import type { Scenario } from "./scenario.ts";
import { type OnMoment, Session } from "./session.ts";
import { calm, type Weather } from "./weather.ts";
import { eventsOf, type WorldEvent } from "./world.ts";

/** Where a story goes on: what the disk holds and what the outside has seen, at this instant. */
export interface Checkpoint {
  readonly image: DiskImage;
  readonly log: readonly WorldEvent[];
  readonly atMs: number;
}

/** Something that happens at an instant to a process that lives then, whatever it is doing. */
export interface Alarm {
  readonly atMs: number;
  readonly ring: (session: Session) => void;
}

export interface StoryOptions {
  readonly scenario: Scenario;
  readonly folder: string;
  readonly seed: string;
  /** Default: at the beginning, with nothing on the disk. */
  readonly from?: Checkpoint;
  readonly weather?: Weather;
  readonly onMoment?: OnMoment;
  /** How long the process is gone after its crash of this number. Default 1 s. */
  readonly downMs?: (crash: number) => number;
  readonly alarms?: readonly Alarm[];
  readonly skewMs?: () => number;
  /** The process stops executing at an instant, and goes on after so long: somebody else has taken its work over by then. */
  readonly hang?: { readonly atMs: number; readonly forMs: number };
  /** Whether the disk, and not only the data file, is full at this instant. Default: never. */
  readonly isDiskFull?: (atMs: number) => boolean;
}

export interface StoryEnd {
  readonly violations: readonly string[];
  readonly log: readonly WorldEvent[];
  readonly commits: number;
  readonly sessions: number;
}

export const storyAtMs = Date.UTC(2026, 0, 1);
const downMsDefault = 1_000;
/** How long the work may take after the last of it was found. */
const restMsMax = 1_800_000;
const restartMs = 1_000;
/** Longer than any lease. */
const hangMsMin = 20_000;
const sessionsMax = 50;

type Exit = "rest" | "dead" | "drained" | "hung" | "stuck";

/** Tells a story to its end, through all its crashes, and judges it. What the team throws at whoever runs it is a violation as well. */
export async function tellStory(options: StoryOptions): Promise<StoryEnd> {
  return await new StoryTeller(options).tell();
}

class StoryTeller {
  readonly #options: StoryOptions;
  readonly #log: WorldEvent[];
  readonly #commits = { count: 0 };
  readonly #violations: string[] = [];
  readonly #client;
  #nowMs: number;
  #directory = "";
  #session = 0;
  #crashes = 0;
  /** A process that hangs and does not know that another one has its work. */
  #hanging: Session | null = null;
  #hasHung = false;

  constructor(options: StoryOptions) {
    const { from, scenario } = options;
    this.#options = options;
    this.#log = [...(from?.log ?? [])];
    this.#nowMs = from?.atMs ?? storyAtMs;
    this.#session = Math.max(0, ...this.#log.map(({ session }) => session));
    this.#client = createClient(scenario.actions, storyAtMs, this.#log);
  }

  async tell(): Promise<StoryEnd> {
    try {
      await this.#tell();
    } catch (error) {
      this.#violations.push(`the story breaks off: ${error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(error)}`);
    }
    return { violations: this.#violations, log: this.#log, commits: this.#commits.count, sessions: this.#session };
  }

  async #tell(): Promise<void> {
    const { from, folder, scenario } = this.#options;
    if (from === undefined) this.#directory = join(folder, "0");
    else this.#crash(from.image);
    for (let exit = await this.#live(); exit !== "rest"; exit = await this.#live()) {
      if (exit === "stuck") {
        this.#violations.push(`the work does not end: it is ${new Date(this.#nowMs).toISOString()}`);
        break;
      }
      if (this.#session > sessionsMax) throw new Error("the process dies again and again");
    }
    const file = readFileOf(this.#directory);
    this.#violations.push(...findInstantViolations(this.#log, file), ...findViolations({ log: this.#log, file, actions: scenario.actions }));
  }

  /** What a crash left is put on another disk, looked at, and opened there. */
  #crash(image: DiskImage): void {
    this.#crashes++;
    this.#directory = join(this.#options.folder, String(this.#session + 1));
    writeImage(this.#directory, image);
    const file = readAfterCrash(this.#directory);
    this.#violations.push(...findInstantViolations(this.#log, file).map((violation) => `after crash ${this.#crashes}: ${violation}`));
    this.#log.push({ type: "crashed", session: this.#session, atMs: this.#nowMs });
    this.#nowMs += this.#options.downMs?.(this.#crashes) ?? downMsDefault;
    this.#noteOpening(file);
  }

  #noteOpening(file: FileState): void {
    const recoveries = file.tasks.reduce((sum, task) => sum + task.recoveries, 0);
    this.#log.push({ type: "opened", session: this.#session + 1, atMs: this.#nowMs, journaled: file.journal.map(({ key }) => key), recoveries });
  }

  async #live(): Promise<Exit> {
    const { scenario, seed, weather = calm, onMoment = () => null, alarms = [], skewMs = () => 0 } = this.#options;
    this.#session++;
    const session = new Session({
      scenario, seed, weather, onMoment, skewMs,
      directory: this.#directory,
      log: this.#log,
      session: this.#session,
      startAtMs: this.#nowMs,
      commits: this.#commits,
      hasWork: (atMs) => atMs < storyAtMs + (scenario.horizonMs ?? 0),
    });
    for (const { atMs, ring } of alarms) if (atMs >= this.#nowMs) session.clock.setTimer(atMs - this.#nowMs, () => (session.isAlive ? ring(session) : undefined));
    const hasStarted = await session.start();
    if (hasStarted) this.#client.attend(session);
    const exit = hasStarted || session.isDead ? await this.#run(session) : await this.#giveUpStarting(session);
    this.#nowMs = session.clock.now();
    if (exit === "hung") this.#leaveHanging(session);
    if (session.leftBehind === null) return exit;
    await session.dispose();
    this.#crash(session.leftBehind);
    return "dead";
  }

  /** Its lease runs out, and the next process opens the same file. For the outside that is a crash. */
  #leaveHanging(session: Session): void {
    this.#hanging = session;
    this.#hasHung = true;
    const file = readAfterCrash(this.#directory);
    this.#log.push({ type: "crashed", session: this.#session, atMs: this.#nowMs });
    this.#nowMs += hangMsMin;
    this.#noteOpening(file);
  }

  /** The process that hung goes on as if nothing had happened: its bodies end, its timers fire, and nothing that it writes may count. */
  async #wakeHanging(nowMs: number): Promise<void> {
    const { hang } = this.#options;
    const session = this.#hanging;
    if (session === null || hang === undefined || nowMs < storyAtMs + hang.atMs + hang.forMs) return;
    this.#hanging = null;
    await session.clock.advance(nowMs - session.clock.now(), () => session.settle());
    await session.abandon();
  }

  /** Whoever keeps the process running starts it again a while after it could not start. */
  async #giveUpStarting(session: Session): Promise<Exit> {
    await session.dispose();
    await session.clock.advance(restartMs, async () => undefined);
    return session.isDead ? "dead" : "drained";
  }

  async #run(session: Session): Promise<Exit> {
    const limitMs = storyAtMs + (this.#options.scenario.horizonMs ?? 0) + restMsMax;
    for (;;) {
      await session.settle();
      if (session.isDead) return "dead";
      const { hang } = this.#options;
      if (hang !== undefined && !this.#hasHung && session.clock.now() >= storyAtMs + hang.atMs) return "hung";
      await this.#wakeHanging(session.clock.now());
      const drain = this.#options.scenario.actions.find((action) => action.type === "drain" && storyAtMs + action.atMs <= session.clock.now() && !this.#hasActed(action.id));
      if (drain?.type === "drain") return await this.#drain(session, drain.id, drain);
      if ((await decideUnknownEffects(session)) === 0 && (await this.#isAtRest(session))) return (await session.drain(0)) ? "rest" : "dead";
      if (session.isDead) return "dead";
      if (session.clock.now() > limitMs || !(await session.clock.advanceToNext(async () => undefined))) {
        await session.drain(0);
        return session.isDead ? "dead" : "stuck";
      }
    }
  }

  async #drain(session: Session, id: string, { timeoutMs, downMs }: { readonly timeoutMs: number; readonly downMs: number }): Promise<Exit> {
    const isFull = session.isFull || (this.#options.isDiskFull?.(session.clock.now()) ?? false);
    if (!(await session.drain(timeoutMs))) return "dead";
    const file = readFileOf(this.#directory);
    this.#nowMs = session.clock.now();
    const recoveries = file.tasks.reduce((sum, task) => sum + task.recoveries, 0);
    this.#log.push({ type: "acted", session: this.#session, action: id, result: null, atMs: this.#nowMs });
    this.#log.push({ type: "drained", session: this.#session, atMs: this.#nowMs, running: file.tasks.filter(({ status }) => status === "running").length, recoveries, isFull });
    this.#violations.push(...findInstantViolations(this.#log, file));
    session.clock.setTimer(downMs, () => undefined);
    await session.clock.advance(downMs, async () => undefined);
    this.#nowMs = session.clock.now();
    this.#noteOpening(file);
    return "drained";
  }

  #hasActed(id: string): boolean {
    return eventsOf(this.#log, "acted").some(({ action }) => action === id);
  }

  async #isAtRest({ live, clock }: Session): Promise<boolean> {
    if (this.#hanging !== null || !this.#client.isDone() || clock.now() < storyAtMs + (this.#options.scenario.horizonMs ?? 0)) return false;
    return (await live.tasks.list({ statuses: ["queued", "running", "waiting"], limit: 1 })).every(({ status }) => isEnded(status));
  }
}
