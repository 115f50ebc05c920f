import { isLonghaulError } from "../../src/base/error.ts";
import { seededRandom } from "../../src/base/random.ts";
import { macrotask } from "../../src/base/turn.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import { isFileFailure } from "../../src/db/file-failure.ts";
import type { SqliteDatabase } from "../../src/db/sqlite.ts";
import { type LiveTeam, openLiveTeam } from "../../src/runtime/live-team.ts";
import { type DiskImage, readImage } from "./disk-image.ts";
import { Outside } from "./outside.ts";
import type { Scenario } from "./scenario.ts";
import { skewedClock } from "./skewed-clock.ts";
import type { Weather } from "./weather.ts";
import { eventsOf, type WorldEvent } from "./world.ts";

/** An instant at which the process may die. */
export interface Moment {
  /** Right before a COMMIT, right after it, right after the outside saw something, or when an alarm of the story rings. */
  readonly kind: "before" | "after" | "event" | "alarm";
  /** Commits of the whole story so far; before a COMMIT, this one is not among them. */
  readonly commits: number;
  readonly atMs: number;
  /** How much the outside has seen. */
  readonly seen: number;
  /** The writer's own connection; null before the first commit of this life. */
  readonly db: SqliteDatabase | null;
  /** What is on the disk now. */
  readonly image: () => DiskImage;
}

/** Looks at a moment. What it returns is what the disk holds after the process died right there; null: it lives on. */
export type OnMoment = (moment: Moment) => DiskImage | null;

export interface SessionOptions {
  readonly scenario: Scenario;
  readonly directory: string;
  readonly log: WorldEvent[];
  /** Which life of the process, from 1. */
  readonly session: number;
  readonly startAtMs: number;
  /** What the wall clock is wrong by. */
  readonly skewMs: () => number;
  readonly weather: Weather;
  readonly seed: string;
  readonly onMoment: OnMoment;
  /** Commits of the story so far; it counts on. */
  readonly commits: { count: number };
  readonly hasWork: (atMs: number) => boolean;
}

/** Turns of the event loop without any activity after which nothing more happens at an instant. */
const quietTurns = 12;
/** No page limit, as SQLite writes it. */
const pagesMax = 4_294_967_294;
const checkpointFramesDefault = 200;
/** Events after which a process may die before its next commit. */
const fatefulTypes: readonly WorldEvent["type"][] = ["began", "called", "happened", "billed"];

/** One life of the process: a team that is open on a data directory, until it is closed or dies. */
export class Session {
  readonly clock: VirtualClock;
  readonly outside: Outside;
  readonly directory: string;
  readonly #options: SessionOptions;
  #db: SqliteDatabase | null = null;
  #isClosed = false;
  #live: LiveTeam | null = null;
  #started: Promise<unknown> = Promise.resolve();
  #leftBehind: DiskImage | null = null;

  constructor(options: SessionOptions) {
    const { startAtMs, directory, log, session, weather, hasWork } = options;
    this.#options = options;
    this.directory = directory;
    this.clock = new VirtualClock(startAtMs);
    this.outside = new Outside({ session, clock: this.clock, log, weather, hasWork: () => hasWork(this.clock.now()), onEvent: (event) => this.#onEvent(event) });
  }

  get live(): LiveTeam {
    if (this.#live === null) throw new Error("the team is not open");
    return this.#live;
  }

  /** What the disk holds after the process died; null while it lives. */
  get leftBehind(): DiskImage | null {
    return this.#leftBehind;
  }

  get isDead(): boolean {
    return this.#leftBehind !== null;
  }

  /** Opens and starts the team. False when a full disk refused it, or when it died in the attempt. */
  async start(): Promise<boolean> {
    if (!(await this.#open())) return false;
    const live = this.live;
    let outcome: "starting" | "started" | "refused" = "starting";
    this.#started = live.start().then(
      () => (outcome = "started"),
      (error: unknown) => {
        outcome = "refused";
        // Any other refusal is a bug; one of a process that died meanwhile is nobody's business.
        if (!isFileFailure(error) && !this.isDead) throw error;
      },
    );
    const isStarting = (): boolean => outcome === "starting" && !this.isDead;
    while (isStarting()) {
      await Promise.race([this.settle(), this.#started]);
      // What a full disk refused is tried again by the clock.
      if (isStarting()) await this.clock.advanceToNext(nothing);
    }
    await this.settle();
    return !this.isDead && (outcome as string) === "started";
  }

  /** False when a full disk refused it, or kept the life before it, which is the same process in this test, from giving the file back: that is no other's for a lease. */
  async #open(): Promise<boolean> {
    const { scenario, seed, session, skewMs, directory, log } = this.#options;
    const model = scenario.model?.(this.outside) ?? null;
    try {
      this.#live = await openLiveTeam({
        team: scenario.define(this.outside),
        dataDirectory: directory,
        clock: skewedClock(this.clock, skewMs),
        random: seededRandom(`${seed}/${session}`),
        environment: () => undefined,
        print: () => undefined,
        modelFor: () => model,
        watchCommits: { before: (db) => this.#beforeCommit(db), after: () => this.#afterCommit() },
      });
      return true;
    } catch (error) {
      const isOurs = isLonghaulError(error) && error.code === "ENGINE_OWNED" && eventsOf(log, "filled").length > 0;
      if (!isOurs && !isFileFailure(error)) throw error;
      return false;
    }
  }

  /** Lets everything happen that can happen at this instant. */
  async settle(): Promise<void> {
    const { log, commits } = this.#options;
    let seen = "";
    for (let quiet = 0; quiet < quietTurns && !this.isDead; quiet++) {
      await macrotask();
      // A body that hangs is never quiet; what matters is that nothing changes.
      const now = `${log.length} ${commits.count} ${this.clock.timersSet} ${this.#live?.isQuiet() ?? false}`;
      if (now !== seen || this.#live?.isTelling() === true) quiet = 0;
      seen = now;
    }
  }

  /** True from the opening of the team to its end, whichever it is. */
  get isAlive(): boolean {
    return !this.isDead && !this.#isClosed;
  }

  /** Lets the process die now, if somebody wants it to. */
  ring(): void {
    this.#look("alarm");
  }

  /** Lets the data file grow by this many pages and no more; null: as it likes. */
  limitPages(pages: number | null): void {
    if (this.#db === null || this.#isClosed) return;
    const used = Number(this.#db.get("PRAGMA page_count")?.["page_count"]);
    this.#db.exec(`PRAGMA max_page_count = ${pages === null ? pagesMax : used + pages}`);
  }

  /** Whether the data file may not grow as it likes. */
  get isFull(): boolean {
    return this.isAlive && this.#db !== null && Number(this.#db.get("PRAGMA max_page_count")?.["max_page_count"]) < pagesMax;
  }

  /** Ends the life of the process in an orderly way. False when it died meanwhile. */
  async drain(timeoutMs: number): Promise<boolean> {
    await this.#finish(async (live) => {
      await live.drain(timeoutMs);
      await live.close();
    });
    return !this.isDead;
  }

  /** Gives back what a dead process held in this one. Nothing that happens here is seen. */
  async dispose(): Promise<void> {
    if (this.#live === null || this.#isClosed) return;
    this.limitPages(null);
    await this.#finish((live) => live.close());
  }

  /** Ends a process that another one has replaced: it can write nothing down, not even that it ends. */
  async abandon(): Promise<void> {
    this.outside.vanish();
    await this.#finish((live) =>
      live.close().catch((error: unknown) => {
        if (!isLonghaulError(error) || error.code !== "ENGINE_FENCED") throw error;
      }),
    );
  }

  async #finish(end: (live: LiveTeam) => Promise<void>): Promise<void> {
    let isOver = false;
    let failure: unknown = null;
    this.#started
      .catch(() => undefined) // Told by start.
      .then(() => end(this.live))
      .catch((error: unknown) => (failure = error))
      .finally(() => {
        isOver = true;
        this.#isClosed = true;
      });
    for (let turn = 0; !isOver; turn++) {
      await this.clock.advanceToNext(() => this.#turns());
      if (turn > 10_000) throw new Error("the team does not close");
    }
    if (failure !== null) throw failure instanceof Error ? failure : new Error(JSON.stringify(failure));
  }

  async #turns(): Promise<void> {
    for (let turn = 0; turn < quietTurns; turn++) await macrotask();
  }

  #beforeCommit(db: SqliteDatabase): void {
    if (this.#db === null) db.exec(`PRAGMA wal_autocheckpoint = ${this.#options.scenario.checkpointFrames ?? checkpointFramesDefault}`);
    this.#db = db;
    this.#look("before");
  }

  #afterCommit(): void {
    this.#options.commits.count++;
    this.#look("after");
  }

  #onEvent(event: WorldEvent): void {
    // What happens inside a transaction is none of the outside's business.
    if (fatefulTypes.includes(event.type) && this.#db?.inTransaction === false) this.#look("event");
  }

  #look(kind: Moment["kind"]): void {
    if (!this.isAlive) return;
    const { onMoment, commits, log } = this.#options;
    const image = onMoment({ kind, commits: commits.count, atMs: this.clock.now(), seen: log.length, db: this.#db, image: () => readImage(this.directory) });
    if (image === null) return;
    this.#leftBehind = image;
    this.outside.vanish();
  }
}

async function nothing(): Promise<void> {
  // Whoever advances the clock settles.
}
