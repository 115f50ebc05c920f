import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ProcessInfo } from "../../base/process.ts";
import { macrotask } from "../../base/turn.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { GroupCommit } from "../../db/group-commit.ts";
import { migrate } from "../../db/migration.ts";
import { SqliteDatabase } from "../../db/sqlite.ts";
import { engineMigrations } from "./engine-migrations.ts";
import { acquireOwnership, type Ownership } from "./owner.ts";

let db: SqliteDatabase;
let clock: VirtualClock;
/** Pids that live, each with its start time. */
let alive: Map<number, string>;
let killed: number[];

beforeEach(() => {
  db = SqliteDatabase.open(":memory:");
  migrate(db, engineMigrations);
  clock = new VirtualClock();
  alive = new Map([[100, "s100"], [200, "s200"]]);
  killed = [];
});
afterEach(() => db.close());

function machine(pid: number, fields: Partial<ProcessInfo> = {}): ProcessInfo {
  return {
    pid,
    startTime: `s${pid}`,
    bootId: "boot 1",
    isAlive: (other, startTime) => alive.get(other) === startTime,
    kill(other) {
      killed.push(other);
      alive.delete(other);
    },
    ...fields,
  };
}

function acquire(processInfo: ProcessInfo): Ownership {
  return acquireOwnership({ db, clock, processInfo });
}

describe("ownership of a data file", () => {
  it("O1 replaces a dead owner at once", () => {
    acquire(machine(100));
    alive.delete(100);

    expect(acquire(machine(200)).epoch).toBe(2);
    expect(killed).toEqual([]);
  });

  it("O1 replaces an owner of another boot, and one whose pid belongs to another process by now", () => {
    acquire(machine(100));
    expect(acquire(machine(200, { bootId: "boot 2" })).epoch).toBe(2);
    alive.set(200, "started later");
    expect(acquire(machine(300, { bootId: "boot 2" })).epoch).toBe(3);
  });

  it("O2 is refused while the owner is alive and renews, naming its pid and age and what to do", async () => {
    const owner = acquire(machine(100));
    owner.keep(new GroupCommit({ db, guard: owner.guard }), () => undefined);
    await clock.advance(62_000);

    expect(() => acquire(machine(200))).toThrow(/Process 100 owns .* 2\.0 s ago.*Stop it, or give this one another --data directory/);
    expect(() => acquire(machine(200))).toThrow(expect.objectContaining({ code: "ENGINE_OWNED", details: { pid: 100, ageMs: 2_000 } }));
    expect(killed).toEqual([]);
  });

  it("O3 fences and kills an owner that is alive and did not renew for 15 s", async () => {
    acquire(machine(100));
    await clock.advance(14_999);
    expect(() => acquire(machine(200))).toThrow(expect.objectContaining({ code: "ENGINE_OWNED" }));
    await clock.advance(1);

    expect(acquire(machine(200)).epoch).toBe(2);
    expect(killed).toEqual([100]);
  });

  it("O3 never kills the process that asks", async () => {
    acquire(machine(100));
    await clock.advance(15_000);

    expect(acquire(machine(100)).epoch).toBe(2);
    expect(killed).toEqual([]);
  });

  it("O4 refuses every commit of an owner that was replaced, and tells it at its next renewal", async () => {
    const owner = acquire(machine(100));
    const commit = new GroupCommit({ db, guard: owner.guard });
    const fenced: Error[] = [];
    owner.keep(commit, (error) => fenced.push(error));
    alive.delete(100);
    acquire(machine(200));

    await expect(commit.submit(() => 1)).rejects.toMatchObject({ code: "ENGINE_FENCED", details: { epoch: 1, current: 2 } });
    await clock.advance(5_000);
    expect(fenced).toMatchObject([{ code: "ENGINE_FENCED" }]);
    expect(clock.pendingAtMs).toEqual([]);
  });

  it("gives the file back, so that the next owner need not wait", async () => {
    const owner = acquire(machine(100));
    const commit = new GroupCommit({ db, guard: owner.guard });
    owner.keep(commit, () => undefined);

    await owner.release(commit);
    await macrotask();

    expect(acquire(machine(200)).epoch).toBe(2);
    expect(clock.pendingAtMs).toEqual([]);
  });
});
