import { cpSync } from "node:fs";
import { join } from "node:path";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import type { Task } from "../../src/record/task.ts";
import { openOperatorView } from "../../src/runtime/operator-view.ts";
import { openDiskTeam } from "../fixture/disk-team.ts";
import { type Ground, type LifeOptions, spentIn } from "./ground.ts";
import type { Disk, WorkingTeam } from "./world.ts";

const pagesMax = 4_294_967_294;
const quietRounds = 15;

/** The embedded engine on a data file. A process that dies leaves a copy of it, as a loss of power would; the next one has the copy. */
export class DiskGround implements Ground, Disk {
  readonly teamName = "failures";
  readonly servers = null;
  readonly #folder: string;
  #lives = 1;
  #team: WorkingTeam | null = null;
  #db: SqliteDatabase | null = null;
  #isFull = false;

  constructor(folder: string) {
    this.#folder = folder;
  }

  get disk(): Disk {
    return this;
  }

  get directory(): string {
    return join(this.#folder, `life-${this.#lives}`);
  }

  get db(): SqliteDatabase | null {
    return this.#db;
  }

  fill(isFull: boolean): void {
    this.#isFull = isFull;
    if (this.#db === null) throw new Error("nothing was written yet: the disk cannot be filled");
    const used = Number(this.#db.get("PRAGMA page_count")?.["page_count"]);
    this.#db.exec(`PRAGMA max_page_count = ${isFull ? used : pagesMax}`);
  }

  async task(taskId: string): Promise<Task> {
    if (this.#team === null) throw new Error("the team is not open");
    return await this.#team.task(taskId);
  }

  async spentMicroUsd(): Promise<number> {
    const view = openOperatorView(this.directory);
    try {
      return await spentIn(view);
    } finally {
      await view.close();
    }
  }

  async begin({ team, clock, seed, skewMs, look }: LifeOptions): Promise<WorkingTeam> {
    this.#db = null;
    this.#team = await openDiskTeam(team, {
      clock, seed, skewMs,
      directory: this.directory,
      watchCommits: {
        before: (db) => {
          this.#db = db;
          look("before");
        },
        after: () => look("after"),
      },
    });
    return this.#team;
  }

  die(): void {
    const { directory } = this;
    this.#lives++;
    cpSync(directory, this.directory, { recursive: true });
    // The process that held the file is this one too, and lives.
    const left = SqliteDatabase.open(join(this.directory, "longhaul.db"));
    left.run("UPDATE lh_owner SET boot_id = 'the boot before'");
    left.close();
  }

  async turns(): Promise<void> {
    await this.#team?.settle();
  }

  async settle(sign: () => string, quietMs: number): Promise<void> {
    await this.turns();
    if (quietMs > 0 && this.#team !== null) await this.#untilReallyQuiet(this.#team, sign, quietMs);
  }

  mend(): Promise<void> {
    if (this.#isFull) this.fill(false);
    return Promise.resolve();
  }

  /** The folder is its caller's. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  /** While a step executes, servers work in real time: the clock stands still until nothing has happened for a while. */
  async #untilReallyQuiet({ live, clock, settle }: WorkingTeam, sign: () => string, quietMs: number): Promise<void> {
    let seen = "";
    // A machine that is busy elsewhere lets time pass without a turn for us.
    for (let sinceMs = systemClock.monotonicMs(), rounds = 0; rounds < quietRounds || systemClock.monotonicMs() - sinceMs < quietMs; rounds++) {
      if ((await live.tasks.list({ statuses: ["running", "queued"], limit: 1 })).length === 0) return;
      const now = `${sign()} ${clock.timersSet}`;
      if (now !== seen) [sinceMs, rounds] = [systemClock.monotonicMs(), 0];
      seen = now;
      await sleep(systemClock, 2);
      await settle();
    }
  }
}
